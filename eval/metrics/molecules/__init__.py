"""Metrics of sets of molecules: stability, validity, distances of their geometries, errors."""

from eval.metrics.molecules.geometry import (
    BondGeometry,
    bond_geometry,
    total_variation,
    typed_wasserstein,
)
from eval.metrics.molecules.regression import by_count
from eval.metrics.molecules.similarity import frequency_cosine, nearest_similarity
from eval.metrics.molecules.stability import stability
from eval.metrics.molecules.validity import validity

__all__ = [
    "BondGeometry",
    "bond_geometry",
    "by_count",
    "frequency_cosine",
    "nearest_similarity",
    "stability",
    "total_variation",
    "typed_wasserstein",
    "validity",
]
