"""GEOM-Drugs: conformers of drug-like molecules, from arrays that are mapped into memory."""

from functools import cached_property

import numpy as np
from jaxtyping import Int64, Real

from data.chemistry.elements import GEOM_DRUGS
from data.files.arrays import read_array
from data.files.errors import DataError
from data.files.roots import stamp
from data.files.sources import Source
from data.molecules.base import Molecules
from data.molecules.dataset import MoleculeDataset, ragged

__all__ = ["GeomDrugs"]

ADVICE = (
    "make it by build_geom_dataset.py of the GitHub repository ehoogeboom/"
    "e3_diffusion_for_molecules, and set `root` or LDM_DATA"
)
ATOMS = Source("geom/geom_drugs_30.npy", advice=ADVICE)
SIZES = Source("geom/geom_drugs_n_30.npy", advice=ADVICE)
ORDER = Source(
    "geom/geom_permutation.npy",
    advice="it is in data/geom of the GitHub repository ehoogeboom/e3_diffusion_for_molecules: "
    "copy it from there, and set `root` or LDM_DATA",
)


class GeomDrugs(Molecules):
    """Up to 30 conformers of lowest energy of each drug-like molecule (Axelrod et al., 2022).

    With all files, 6,922,516 conformers of up to 181 atoms of 16 elements. They are prepared, and
    split by conformer into 80 % training, 10 % val and 10 % test, as by Hoogeboom et al. (2022): so
    conformers of one molecule are in several splits. The array of atoms, 12.9 GB, is read where it
    is. Training batches have molecules of similar size, see `BucketOrder`.

    Args:
        seed: of the sample order and the rotations.
        workers: number of data loading processes.
        root: folder of the files; see data/README.md for the folders searched by default.
        rotate: rotate each molecule that is drawn for training at random.

    Raises:
        DataError: files are missing, damaged, or do not belong together.
    """

    name = "GEOM-Drugs"
    elements = GEOM_DRUGS
    places = 181
    single_bonds = True

    def __init__(
        self, seed: int = 0, workers: int = 0, root: str | None = None, rotate: bool = False
    ) -> None:
        super().__init__(seed, workers, rotate, buckets=True)
        self.root = root

    def load(self, split: str) -> MoleculeDataset:
        path = ATOMS.locate(self.root)
        array = read_array(path, ADVICE, mapped=True)
        if array.ndim != 2 or array.shape[1] != 5 or len(array) != self.sizes.sum():
            raise DataError(
                f"{path} should hold a row of five numbers for each of {self.sizes.sum()} atoms, "
                f"and has shape {array.shape}: {ADVICE}"
            )
        atoms = ragged(array[:, 1], array[:, 2:], self.sizes).take(self.rows(split))
        return MoleculeDataset(atoms, self.layout, source=stamp(path), rotate=self.rotate)

    def rows(self, split: str) -> Int64[np.ndarray, " n"]:
        """Places of a split's conformers in the arrays, in the published order."""
        order, n = self.order, len(self.sizes)
        if len(order) != n or not np.array_equal(np.sort(order), np.arange(n)):
            raise DataError(
                f"{ORDER.locate(self.root)} should be a permutation of {n} conformers, and is none "
                f"of {len(order)}: {ORDER.advice}"
            )
        tenth = n // 10
        val, test, train = np.split(order, [tenth, 2 * tenth])
        return {"train": train, "val": val, "test": test}[split].astype(np.int64)

    @cached_property
    def sizes(self) -> Real[np.ndarray, " n"]:
        """Number of atoms of each conformer, in the order of the array."""
        return self._read(SIZES)

    @cached_property
    def order(self) -> Real[np.ndarray, " n"]:
        """Order in which conformers are split."""
        return self._read(ORDER)

    def _read(self, source: Source) -> Real[np.ndarray, " n"]:
        path = source.locate(self.root)
        array = read_array(path, source.advice)
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.number):
            raise DataError(
                f"{path} should hold one whole number for each conformer, and holds {array.dtype} "
                f"of shape {array.shape}: {source.advice}"
            )
        return array
