"""Spaces that latents live in."""

from ldm.spaces.flat import Flat
from ldm.spaces.lattice import Lattice
from ldm.spaces.product import Power, Product
from ldm.spaces.space import Space
from ldm.spaces.sphere import Sphere

__all__ = ["Flat", "Lattice", "Power", "Product", "Space", "Sphere"]
