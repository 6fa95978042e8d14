"""Distances between the geometries of two sets of molecules: bond lengths, bond angles, types.

Source: Vignac et al., "MiDi: mixed graph and 3D denoising diffusion for molecule generation", 2023;
here of the samples themselves instead of their histograms.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["BondGeometry", "bond_geometry", "total_variation", "typed_wasserstein"]

Typed = dict[tuple[int, ...], np.ndarray]
"""Values by their type."""


class BondGeometry(NamedTuple):
    """Bonds of a set of molecules.

    Attributes:
        lengths: Angstrom, by the atomic numbers of both atoms, ascending, and the bond order.
        angles: between two bonds of an atom, degrees, by its atomic number.
    """

    lengths: Typed
    angles: Typed

    @classmethod
    def join(cls, parts: "list[BondGeometry]") -> "BondGeometry":
        """Bonds of several sets."""
        return cls(*(_join([part[field] for part in parts]) for field in range(2)))


def bond_geometry(
    numbers: Int64[Tensor, "b n"],
    positions: Float[Tensor, "b n 3"],
    orders: Int64[Tensor, "b n n"],
) -> BondGeometry:
    """Measure bond lengths and angles.

    Args:
        numbers: atomic numbers.
        positions: Angstrom.
        orders: of the bonds, symmetric, 0 for none.
    """
    positions = positions.double()
    molecule, first, second = orders.nonzero().T
    arrow = positions[molecule, second] - positions[molecule, first]
    length = arrow.norm(dim=-1)
    ends = numbers[molecule, first], numbers[molecule, second]
    once = first < second
    kinds = torch.stack([*torch.stack(ends).sort(dim=0).values, orders[molecule, first, second]], 1)
    lengths = _grouped(kinds[once], length[once])

    centre = molecule * numbers.shape[1] + first  # ascending: bonds of one atom are neighbours
    found, of = [], []
    for step in range(1, int(torch.bincount(centre).max()) if len(centre) else 0):
        same = centre[step:] == centre[:-step]
        a, b = arrow[step:][same], arrow[:-step][same]
        cosine = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=1e-12)
        found.append(cosine.clamp(-1, 1).arccos().rad2deg())
        of.append(ends[0][step:][same])
    angles = _grouped(torch.cat(of)[:, None], torch.cat(found)) if found else {}
    return BondGeometry(lengths, angles)


def typed_wasserstein(samples: Typed, reference: Typed) -> float | None:
    """Wasserstein-1 distance of each type's values, mean over types as frequent in the reference.

    Types that either set lacks are left out, for which see `total_variation`.

    Returns:
        The distance in the unit of the values; None if the sets share no type.

    Example:
        >>> one, two = {(1,): np.array([1.0, 2.0])}, {(1,): np.array([2.0, 3.0]), (6,): np.ones(9)}
        >>> typed_wasserstein(one, two)
        1.0
    """
    from scipy.stats import wasserstein_distance

    shared = samples.keys() & reference.keys()
    if not shared:
        return None
    weights = {kind: len(reference[kind]) for kind in sorted(shared)}
    distances = [w * wasserstein_distance(samples[k], reference[k]) for k, w in weights.items()]
    return float(sum(distances) / sum(weights.values()))


def total_variation(
    samples: Mapping[tuple[int, ...], int], reference: Mapping[tuple[int, ...], int]
) -> float:
    """Total variation between the frequencies of types, from their counts: 0 to 1.

    Raises:
        ValueError: a set is empty.

    Example:
        >>> total_variation({(1,): 3, (6,): 1}, {(1,): 1, (6,): 1})
        0.25
    """
    totals = [sum(counts.values()) for counts in (samples, reference)]
    if not all(totals):
        raise ValueError(f"frequencies need a count in each set, got {totals[0]} and {totals[1]}")
    every = samples.keys() | reference.keys()
    shares = ((samples.get(k, 0) / totals[0], reference.get(k, 0) / totals[1]) for k in every)
    return sum(abs(a - b) for a, b in shares) / 2


def _grouped(kinds: Int64[Tensor, "m k"], values: Float[Tensor, " m"]) -> Typed:
    every, inverse = kinds.unique(dim=0, return_inverse=True)
    order = inverse.argsort(stable=True)
    parts = values[order].split(torch.bincount(inverse, minlength=len(every)).tolist())
    return {
        tuple(kind): part.cpu().numpy() for kind, part in zip(every.tolist(), parts, strict=True)
    }


def _join(parts: list[Typed]) -> Typed:
    every = sorted({kind for part in parts for kind in part})
    return {kind: np.concatenate([p[kind] for p in parts if kind in p]) for kind in every}
