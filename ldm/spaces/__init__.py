"""Spaces that latents live in."""

from ldm.spaces.categorical import Categorical
from ldm.spaces.flat import Flat
from ldm.spaces.hyperbolic import Hyperboloid
from ldm.spaces.lattice import Lattice
from ldm.spaces.laws.law import Law
from ldm.spaces.laws.normal_triangle import NormalTriangle
from ldm.spaces.laws.wrapped_mixture import WrappedMixture
from ldm.spaces.laws.wrapped_normal import WrappedNormal
from ldm.spaces.meshes.mesh import Mesh
from ldm.spaces.meshes.spectral import SpectralDistance
from ldm.spaces.poincare import PoincareBall
from ldm.spaces.point_set import PointSet
from ldm.spaces.power import Power
from ldm.spaces.premetric import GeodesicDistance, Premetric
from ldm.spaces.product import Product
from ldm.spaces.projective import ProjectiveSpace
from ldm.spaces.rotations import Rotations
from ldm.spaces.space import Space
from ldm.spaces.spd import SPD
from ldm.spaces.sphere import Sphere
from ldm.spaces.torus import Torus
from ldm.spaces.unitary import SpecialUnitary

__all__ = [
    "SPD",
    "Categorical",
    "Flat",
    "GeodesicDistance",
    "Hyperboloid",
    "Lattice",
    "Law",
    "Mesh",
    "NormalTriangle",
    "PoincareBall",
    "PointSet",
    "Power",
    "Premetric",
    "Product",
    "ProjectiveSpace",
    "Rotations",
    "Space",
    "SpecialUnitary",
    "SpectralDistance",
    "Sphere",
    "Torus",
    "WrappedMixture",
    "WrappedNormal",
]
