"""Small molecules that are enumerated and given a geometry here: no files are needed."""

from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from rich.progress import track

from data.chemistry.bonds import bond_orders, stable_atoms
from data.chemistry.elements import QM9 as ELEMENTS
from data.chemistry.enumeration import conformers, enumerate_molecules
from data.files.cache import cached, content_key
from data.files.errors import DataError
from data.files.roots import cache_folder
from data.molecules.base import Molecules
from data.molecules.dataset import MoleculeDataset, ragged
from data.order import permutation

__all__ = ["SmallMolecules"]

MADE = "1"  # of the cached arrays: change it with what is made
SPLIT = 5  # stream id of the split, which keeps its permutation apart from those of epochs


class SmallMolecules(Molecules):
    """Neutral molecules of up to five atoms of C, N, O and F, and their hydrogens.

    1,177 molecules, see `enumerate_molecules`, in up to four conformers each by ETKDG and
    MMFF94. Kept are those whose bonds can be read from the distances of all conformers, so that
    all atoms of the data are stable. They are made on first use, in some ten seconds on one core,
    and cached. Splits are of molecules, 80 % for training and 10 % for each of the others:
    conformers of one are never in two.

    Args:
        seed: of the sample order and the rotations.
        workers: number of data loading processes.
        heavy: largest number of atoms that are no hydrogens, 1 to 5.
        conformers: of each molecule, at most.
        charged: whether the atomic number is a feature, besides the type.
        rotate: rotate each molecule that is drawn for training at random.

    Raises:
        DataError: a number is out of range.
    """

    elements = ELEMENTS

    def __init__(
        self,
        seed: int = 0,
        workers: int = 0,
        heavy: int = 5,
        conformers: int = 4,
        charged: bool = True,
        rotate: bool = False,
    ) -> None:
        super().__init__(seed, workers, rotate)
        if not 1 <= heavy <= 5 or conformers < 1:
            raise DataError(
                f"heavy must be 1 to 5 and conformers 1 or more, got {heavy} and {conformers}"
            )
        self.heavy, self.conformers, self.charged = heavy, conformers, charged
        self.places = 3 * heavy + 2  # of an alkane
        self.name = f"small molecules of {heavy} heavy atoms"

    def prepare_data(self) -> None:
        """Make the molecules if they are not in the cache."""
        _ = self.arrays

    def load(self, split: str) -> MoleculeDataset:
        molecules = self.arrays["molecule"]
        order = permutation(int(molecules[-1]) + 1, 0, SPLIT)
        held = len(order) // 10
        parts = np.split(order, [len(order) - 2 * held, len(order) - held])
        chosen = np.isin(molecules, parts[self.held.index(split)]).nonzero()[0]
        every = ragged(self.arrays["numbers"], self.arrays["positions"], self.arrays["sizes"])
        return MoleculeDataset(every.take(chosen), self.layout, rotate=self.rotate)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """Atoms of all conformers, their sizes, and the `molecule` that each conformer is of."""
        key = content_key(MADE, f"{self.heavy} {self.conformers} {version('rdkit')}")
        return cached(cache_folder() / "small_molecules" / f"{key}.npz", self._make, _load)

    def _make(self, path: Path) -> None:
        numbers, positions, sizes, molecule = [], [], [], []
        for smiles in track(enumerate_molecules(self.heavy), "molecules", transient=True):
            atoms, found = conformers(smiles, self.conformers, seed=1)
            if len(found) and _legible(np.array(atoms), found):
                molecule += [molecule[-1] + 1 if molecule else 0] * len(found)
                sizes += [len(atoms)] * len(found)
                numbers += atoms * len(found)
                positions += list(found)
        arrays = {"numbers": np.array(numbers, np.uint8), "sizes": np.array(sizes, np.int64)}
        arrays["positions"] = np.concatenate(positions).astype(np.float32)
        with path.open("wb") as file:
            np.savez(file, **arrays, molecule=np.array(molecule, np.int64))


def _legible(numbers: Int64[np.ndarray, " n"], positions: np.ndarray) -> bool:
    """Tell whether all atoms have their valence by the distances of each conformer."""
    every = torch.from_numpy(numbers).expand(len(positions), -1)
    return bool(stable_atoms(every, bond_orders(every, torch.from_numpy(positions))).all())


def _load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)
