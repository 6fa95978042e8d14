"""Spaces that latents live in."""

from ldm.spaces.flat import Flat
from ldm.spaces.space import Space

__all__ = ["Flat", "Space"]
