"""Conditions of priors (labels, images, embedded text), their dropout and null values."""

from ldm.conditioning.arrays import Array
from ldm.conditioning.condition import Condition
from ldm.conditioning.conditioning import Conditioning
from ldm.conditioning.labels import Labels

__all__ = ["Array", "Condition", "Conditioning", "Labels"]
