"""Molecules of one split, in memory or in a memory-mapped file."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64, Real
from torch import Tensor
from torch.utils.data import Dataset

from data.batch import Batch
from data.chemistry.elements import atomic_numbers
from data.files.errors import DataError
from data.molecules.encoding import Atoms, encode
from data.molecules.rotation import rotations
from data.order import Draw

__all__ = ["Layout", "MoleculeDataset", "Ragged", "ragged"]


class Ragged(NamedTuple):
    """Molecules of different sizes, the atoms of one after those of another.

    Attributes:
        numbers: atomic numbers, `(atoms,)`.
        positions: Angstrom, `(atoms, 3)`.
        starts: place of each molecule's first atom, `(n,)`.
        sizes: number of each molecule's atoms, `(n,)`.
    """

    numbers: Real[np.ndarray, " atoms"]
    positions: Real[np.ndarray, "atoms 3"]
    starts: Int64[np.ndarray, " n"]
    sizes: Int64[np.ndarray, " n"]

    def take(self, index: Int64[np.ndarray, " b"]) -> "Ragged":
        """Select molecules; atoms are shared, not copied."""
        return self._replace(starts=self.starts[index], sizes=self.sizes[index])


def ragged(
    numbers: Real[np.ndarray, " atoms"],
    positions: Real[np.ndarray, "atoms 3"],
    sizes: Real[np.ndarray, " n"],
) -> Ragged:
    """Molecules of these sizes, one after the other."""
    sizes = sizes.astype(np.int64)
    return Ragged(numbers, positions, np.cumsum(sizes) - sizes, sizes)


class Layout(NamedTuple):
    """How molecules are written in `x`.

    Attributes:
        elements: symbols in the order of the types.
        places: of the largest molecule.
        charged: whether atomic numbers are a feature.
    """

    elements: tuple[str, ...]
    places: int
    charged: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of one `x`."""
        return self.places, 3 + len(self.elements) + self.charged


class MoleculeDataset(Dataset):
    """Molecules, each in as many places as the largest has atoms.

    Args:
        molecules: their atoms.
        layout: how they are written.
        property: normalised property of each, if there is one.
        source: identifies the atoms where they are too many to be hashed.
        rotate: rotate each molecule that is drawn for training, by the seed of its `Draw`.

    Raises:
        DataError: there are fewer or more properties than molecules, or one is not finite; or, when
            a molecule is read: it has no atoms or too many, unknown elements, or
            positions that are not finite. The message names it by its index.
    """

    def __init__(
        self,
        molecules: Ragged,
        layout: Layout,
        property: Float32[Tensor, "n 1"] | None = None,
        source: str | None = None,
        rotate: bool = False,
    ) -> None:
        self.molecules, self.layout, self.source = molecules, layout, source
        self.property, self.rotate = property, rotate
        if property is not None:
            self._check(property)
        known = atomic_numbers(layout.elements)
        self._known = np.zeros(max(known) + 1, bool)
        self._known[known] = True

    def __len__(self) -> int:
        return len(self.molecules.sizes)

    @property
    def sizes(self) -> Int64[np.ndarray, " n"]:
        """Number of atoms of each molecule."""
        return self.molecules.sizes

    def __getitem__(self, item: int | Draw) -> Batch:
        return {key: value[0] for key, value in self.__getitems__([item]).items()}

    def __getitems__(self, items: Sequence[int | Draw]) -> Batch:
        every = range(len(self))
        index = np.array([every[i.index if isinstance(i, Draw) else i] for i in items], np.int64)
        atoms = self.atoms(index)
        if self.rotate:
            atoms = _rotated(atoms, items)
        batch = {
            "x": encode(atoms, self.layout.elements, self.layout.charged),
            "mask": atoms.numbers > 0,
            "index": torch.from_numpy(index),
        }
        return batch if self.property is None else {**batch, "property": self.property[index]}

    def atoms(self, index: Int64[np.ndarray, " b"]) -> Atoms:
        """Read atoms of molecules as they are, not centred.

        Raises:
            DataError: as for the class.
        """
        molecules, places = self.molecules.take(index), self.layout.places
        sizes = molecules.sizes
        wrong = (sizes < 1) | (sizes > places)
        if wrong.any():
            row = wrong.argmax()
            raise self._unusable(index[row], f"{sizes[row]} atoms, and may have 1 to {places}")
        molecule = np.repeat(np.arange(len(index)), sizes)
        place = np.arange(len(molecule)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = molecules.starts[molecule] + place
        numbers = np.zeros((len(index), places), np.int64)
        positions = np.zeros((len(index), places, 3), np.float32)
        numbers[molecule, place] = molecules.numbers[rows]
        positions[molecule, place] = molecules.positions[rows]
        found = numbers[molecule, place]
        unknown = ~self._known[found.clip(0, len(self._known) - 1)] | (found >= len(self._known))
        if unknown.any():
            row = unknown.argmax()
            elements = ", ".join(self.layout.elements)
            raise self._unusable(
                index[molecule[row]], f"an atom of atomic number {found[row]}, and knows {elements}"
            )
        bad = ~np.isfinite(positions).all((1, 2))
        if bad.any():
            raise self._unusable(index[bad.argmax()], "positions that are NaN or infinite")
        return Atoms(torch.from_numpy(numbers), torch.from_numpy(positions))

    def _check(self, property: Tensor) -> None:
        if len(property) != len(self):
            raise DataError(f"{len(self)} molecules have {len(property)} properties: mend the file")
        finite = property.isfinite().all(1)
        if not finite.all():
            row = np.int64(finite.int().argmin())
            raise self._unusable(row, "a property that is NaN or infinite")

    def _unusable(self, index: np.integer, what: str) -> DataError:
        return DataError(f"molecule {index} has {what}: mend the file or leave the molecule out")

    def digest(self) -> str:
        """Hash all atoms, or what identifies them, the layout and the property."""
        digest = hashlib.sha256(str(self.layout).encode())
        for part in self.molecules if self.source is None else self.molecules[2:]:
            digest.update(np.ascontiguousarray(part))
        digest.update((self.source or "").encode())
        if self.property is not None:
            digest.update(self.property.numpy())
        if self.rotate:
            digest.update(b"rotated")
        return digest.hexdigest()


def _rotated(atoms: Atoms, items: Sequence[int | Draw]) -> Atoms:
    """Rotate those that are drawn with a seed."""
    seeds = [item.seed if isinstance(item, Draw) else None for item in items]
    rows = [row for row, seed in enumerate(seeds) if seed is not None]
    positions = atoms.positions.clone()
    turns = torch.from_numpy(rotations([seeds[row] for row in rows]))
    positions[rows] = positions[rows] @ turns.mT
    return atoms._replace(positions=positions)
