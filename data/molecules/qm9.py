"""QM9: 130,831 molecules of up to nine carbon, nitrogen, oxygen and fluorine atoms."""

from collections.abc import Hashable
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64

from data.chemistry.elements import QM9 as ELEMENTS
from data.files.errors import DataError
from data.molecules.base import Molecules
from data.molecules.dataset import MoleculeDataset, Ragged, ragged
from data.molecules.qm9_sources import fetch, read
from data.molecules.qm9_table import PROPERTIES, Table, in_units
from data.molecules.requests import Scale

__all__ = ["QM9"]

TRAIN = 100_000
HALVES = ("first", "second")


class QM9(Molecules):
    """Equilibrium geometries of small organic molecules (Ramakrishnan et al., 2014).

    The split is the published one of Anderson, Hy and Kondor (2019): 100,000 for training, 17,748
    for validation and 13,083 for test, by numpy's permutation of seed 0. Energies are of
    atomisation; see `qm9_table.in_units` for units.

    Args:
        seed: of the sample order and the rotations.
        workers: number of data loading processes.
        hydrogens: False for molecules of heavy atoms alone, at most nine.
        charged: whether the atomic number is a feature, besides the type.
        half: "first" half of the training molecules, on which papers train classifiers of
            properties, or the "second", on which they then train conditional models; None for all.
        property: that molecules are conditioned on, such as "alpha" or "gap"; None for none. For
            the second half it is normalised by the val split, as published, else by training.
        root: folder of the files; see data/README.md for the folders searched by default.
        rotate: rotate each molecule that is drawn for training at random.
        buckets: draw training batches of molecules of similar size, see `BucketOrder`.

    Raises:
        DataError: the files are missing, damaged or of other molecules; there is no such half or
            property.
    """

    elements = ELEMENTS

    def __init__(
        self,
        seed: int = 0,
        workers: int = 0,
        hydrogens: bool = True,
        charged: bool = True,
        half: str | None = None,
        property: str | None = None,
        root: str | None = None,
        rotate: bool = False,
        buckets: bool = False,
    ) -> None:
        super().__init__(seed, workers, rotate, buckets)
        if half not in (None, *HALVES):
            raise DataError(f"half must be 'first', 'second' or null, got {half!r}")
        if property not in (None, *PROPERTIES):
            raise DataError(f"property must be one of {', '.join(PROPERTIES)}, got {property!r}")
        self.hydrogens, self.charged, self.half = hydrogens, charged, half
        self.target, self.root = property, root
        self.places = 29 if hydrogens else 9
        kind = "" if hydrogens else " without H"
        self.name = f"QM9{kind}" + (f" ({half} half)" if half else "")

    def prepare_data(self) -> None:
        """Download the archive where no source is at hand, and cache the arrays."""
        fetch(self.root)
        read(self.root)

    def load(self, split: str) -> MoleculeDataset:
        rows = self.rows(split)
        normalised = None if self.target is None else self.scale(self.properties_of(split))
        molecules = self._molecules.take(rows)
        return MoleculeDataset(molecules, self.layout, normalised, rotate=self.rotate)

    def rows(self, split: str) -> Int64[np.ndarray, " n"]:
        """Places of a split's molecules among all, ascending: all are in the archive's order."""
        order = np.random.RandomState(0).permutation(len(self.table.sizes))
        test = len(order) // 10
        train, val, test = map(np.sort, np.split(order, [TRAIN, len(order) - test]))
        if split != "train" or self.half is None:
            return {"train": train, "val": val, "test": test}[split]
        halves = np.random.RandomState(42).permutation(len(train))
        middle = len(train) // 2
        return train[halves[:middle] if self.half == "first" else halves[middle:]]

    def properties_of(self, split: str) -> Float64[np.ndarray, " n"]:
        if self.target is None:
            raise DataError(f"{self.name} has no property: choose one, data.property=alpha")
        return in_units(self.table, self.target)[self.rows(split)]

    def regression_set(self) -> "QM9":
        """The first half of the training molecules, which a model of the second never sees."""
        if self.half != "second":
            raise DataError(
                "a regressor of a property is trained on the first half of QM9, for models of the "
                "second: data.half=second"
            )
        shared = {"hydrogens": self.hydrogens, "property": self.target, "root": self.root}
        return QM9(charged=False, half="first", **shared)

    def meaning(self, key: str) -> Hashable:
        found = super().meaning(key)
        return f"{found}, half {self.half}" if key == "property" else found  # it decides the scale

    @cached_property
    def scale(self) -> Scale:
        """Normalisation of the property: of the val split for the second half, as published."""
        return Scale.of(self.properties_of("val" if self.half == "second" else "train"))

    @cached_property
    def table(self) -> Table:
        """All molecules with their properties, in the order of the archive."""
        return read(self.root)

    @cached_property
    def _molecules(self) -> Ragged:
        table = self.table
        if self.hydrogens:
            return ragged(table.numbers, table.positions, table.sizes)
        heavy = table.numbers > 1
        molecule = np.repeat(np.arange(len(table.sizes)), table.sizes)[heavy]
        sizes = np.bincount(molecule, minlength=len(table.sizes))
        return ragged(table.numbers[heavy], table.positions[heavy], sizes)
