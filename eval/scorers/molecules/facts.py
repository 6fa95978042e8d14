"""Measurements of each molecule, made once for all scores."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from data import Batch, Molecules
from data.chemistry.bonds import bond_orders, stable_atoms
from data.chemistry.conversion import largest_fragment, quiet, to_mols
from eval.metrics.molecules import BondGeometry, bond_geometry
from ldm.progress import progress

__all__ = ["Facts", "measure", "one_thread"]


class Facts(NamedTuple):
    """Measurements of a set of molecules.

    Attributes:
        numbers: atomic numbers, 0 for empty places.
        stable: which atoms have a valence of their element.
        smiles: of the largest fragment of each molecule; None of an invalid one.
        fragments: number of pieces of each molecule; 0 of an invalid one.
        bonds: their lengths and angles.
    """

    numbers: Int64[Tensor, "n places"]
    stable: Bool[Tensor, "n places"]
    smiles: list[str | None]
    fragments: list[int]
    bonds: BondGeometry

    @property
    def types(self) -> dict[tuple[int, ...], int]:
        """Number of atoms of each element."""
        found = torch.bincount(self.numbers[self.numbers > 0])
        return {(number,): int(found[number]) for number in found.nonzero()[:, 0].tolist()}

    @property
    def bond_types(self) -> dict[tuple[int, ...], int]:
        """Number of bonds of each pair of elements and order."""
        return {kind: len(lengths) for kind, lengths in self.bonds.lengths.items()}


def measure(data: Molecules, batch: Batch, name: str) -> Facts:
    """Measure molecules, some at a time.

    Args:
        data: the set whose bonds they are checked by.
        batch: all of them, on the CPU.
        name: of the step, for its progress.
    """
    found, bonds, named = [], [], []
    with progress(name, len(batch["x"])) as advance, quiet(), one_thread():
        for part in data.parts(batch):
            orders = bond_orders(*part)
            found.append(stable_atoms(part.numbers, orders))
            bonds.append(bond_geometry(part.numbers, part.positions, orders))
            named += map(largest_fragment, to_mols(part.numbers, data.bonds(part)))
            advance(len(part.numbers))
    return Facts(
        data.atoms(batch).numbers,
        torch.cat([torch.nn.functional.pad(s, (0, data.places - s.shape[1])) for s in found]),
        [None if one is None else one[0] for one in named],
        [0 if one is None else one[1] for one in named],
        BondGeometry.join(bonds),
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: on small tensors several mostly wait, most of all on busy machines."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
