"""Metrics of sets of molecules: stability, validity, and distances of their geometries."""

from eval.metrics.molecules.geometry import (
    BondGeometry,
    bond_geometry,
    total_variation,
    typed_wasserstein,
)
from eval.metrics.molecules.stability import stability
from eval.metrics.molecules.validity import validity

__all__ = [
    "BondGeometry",
    "bond_geometry",
    "stability",
    "total_variation",
    "typed_wasserstein",
    "validity",
]
