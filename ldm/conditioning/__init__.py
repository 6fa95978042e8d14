"""What a prior is told about a sample: labels, images, embedded text; their dropout and null."""

from ldm.conditioning.arrays import Array
from ldm.conditioning.condition import Condition
from ldm.conditioning.conditioning import Conditioning
from ldm.conditioning.labels import Labels

__all__ = ["Array", "Condition", "Conditioning", "Labels"]
