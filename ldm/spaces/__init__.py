"""Spaces that latents live in."""

from ldm.spaces.flat import Flat
from ldm.spaces.lattice import Lattice
from ldm.spaces.mesh import Mesh
from ldm.spaces.premetric import GeodesicDistance, Premetric
from ldm.spaces.product import Power, Product
from ldm.spaces.space import Space
from ldm.spaces.spectral import SpectralDistance
from ldm.spaces.sphere import Sphere

__all__ = [
    "Flat",
    "GeodesicDistance",
    "Lattice",
    "Mesh",
    "Power",
    "Premetric",
    "Product",
    "Space",
    "SpectralDistance",
    "Sphere",
]
