"""The base class of datasets of molecules in three dimensions."""

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from data.batch import Batch
from data.buckets import BucketOrder
from data.chemistry.bonds import bond_orders
from data.chemistry.conversion import Mol, quiet, sanitized, to_mols
from data.chemistry.files import write_molecules
from data.chemistry.page import viewer, write_page
from data.drawing import draw_molecules
from data.files.errors import DataError
from data.files.whole import write_whole
from data.loading import BatchLoader
from data.module import DataModule
from data.molecules.dataset import Layout, MoleculeDataset
from data.molecules.encoding import Atoms, decode, harden
from data.molecules.fragments import known_part, restored
from data.molecules.requests import NodeCounts, PropertyPrior, Scale

__all__ = ["Molecules"]

PAIRS = 100_000  # of atoms, whose distances are held at once


class Molecules(DataModule):
    """Molecules in three dimensions, without bonds: these are inferred from distances.

    `x` is `(b, places, 3 + features)`: positions in Angstrom of zero centre of mass, one-hot types
    in the order of `elements`, and the atomic number if `charged`; `mask` says which places are
    occupied. A set with a `property` also has that, `(b, 1)`, normalised by `scale`.

    Args:
        seed: of the sample order and the rotations.
        workers: number of data loading processes.
        rotate: rotate each molecule that is drawn for training at random, for networks that do not
            turn what they predict with it.
        buckets: draw training batches of molecules of similar size, which need little padding; see
            `BucketOrder`.
    """

    held: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    shown: ClassVar[int] = 16

    elements: tuple[str, ...]
    """Symbols of the elements, in the order of the types."""

    places: int
    """Number of places of one `x`: atoms of the largest molecule."""

    charged: bool = False
    """Whether the atomic number is a feature, besides the type."""

    target: str | None = None
    """Name of the property that molecules are conditioned on; None for none."""

    single_bonds: ClassVar[bool] = False
    """Whether all bonds of RDKit's molecules are single: how samples of GEOM-Drugs are checked."""

    def __init__(
        self, seed: int = 0, workers: int = 0, rotate: bool = False, buckets: bool = False
    ) -> None:
        super().__init__(seed, workers)
        self.rotate, self.buckets = rotate, buckets
        self.views = () if rotate else ("plain",)  # there are too many rotations to list

    @abstractmethod
    def load(self, split: str) -> MoleculeDataset: ...

    def properties_of(self, split: str) -> np.ndarray:
        """The property of each molecule of a split, in physical units `(n,)`.

        Raises:
            DataError: the dataset has no property.
        """
        raise DataError(f"molecules of {self.name} are asked for no property, and have none")

    def regression_set(self) -> "Molecules":
        """Molecules on which a regressor of the property is trained, none of the train split.

        Raises:
            DataError: there are none apart.
        """
        raise DataError(
            f"{self.name} keeps no molecules apart from the train split to train a regressor of "
            f"the property on"
        )

    @property
    def layout(self) -> Layout:
        """How molecules are written in `x`."""
        return Layout(tuple(self.elements), self.places, self.charged)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of one `x`: places, and 3 plus the number of features."""
        return self.layout.shape

    @property
    def interface(self) -> dict[str, Any]:
        """Numbers of places, types and features, and of columns: coordinates, types and charges."""
        types, charges = len(self.elements), int(self.charged)
        return {
            "places": self.places,
            "types": types,
            "invariant": types + charges,
            "columns": [3, types, charges],
        }

    @cached_property
    def node_counts(self) -> NodeCounts:
        """Distribution of the number of atoms in training molecules."""
        return NodeCounts(self.train_dataset.sizes)

    @cached_property
    def scale(self) -> Scale:
        """Normalisation of the property, measured on the train split."""
        return Scale.of(self.properties_of("train"))

    @cached_property
    def property_prior(self) -> PropertyPrior:
        """Distribution of the property given the number of atoms, in training molecules."""
        return PropertyPrior(self.properties_of("train"), self.train_dataset.sizes)

    def train_batches(
        self, start: int, stop: int, rank: int, world: int, batch_size: int
    ) -> BatchLoader:
        span = {"start": start, "stop": stop, "rank": rank, "world": world}
        if not self.buckets:
            return super().train_batches(**span, batch_size=batch_size)
        order = BucketOrder(self.train_dataset.sizes, batch_size, self.seed, **span)
        return BatchLoader(self.train_dataset, order, self.workers)

    def example(self, n: int) -> Batch:
        batch = {**super().example(n), "mask": torch.ones(n, self.places, dtype=torch.bool)}
        return batch if self.target is None else {**batch, "property": torch.zeros(n, 1)}

    def requests(self, indices: Sequence[int], seed: int, **asked: Any) -> Batch:
        """Numbers of atoms of generated molecules, as a mask, and their properties if any.

        Args:
            indices: indices of the samples in the whole generated set.
            seed: of the whole generated set.
            **asked: `atoms`, the number of atoms of all, by default drawn as training molecules
                have them; `property` of all in physical units, by default drawn given that number;
                `keep`, a file .sdf or .xyz of a fragment that is the first atoms of all.

        Returns:
            `index`, `mask` and, if any, `property`; of a fragment, `known` and `kept`.

        Raises:
            DataError: the number of atoms is out of range, the set has no such property, or the
                fragment cannot be read or be a part of its molecules.
        """
        atoms, property, keep = (asked.pop(key, None) for key in ("atoms", "property", "keep"))
        batch = super().requests(indices, seed, **asked)
        known = {} if keep is None else known_part(Path(str(keep)).expanduser(), self.layout)
        least = 1 + int(known["kept"].sum()) if known else 1
        sizes = self._sizes(indices, seed, atoms, least)
        batch |= {key: one.repeat(len(sizes), *[1] * (one.ndim - 1)) for key, one in known.items()}
        batch["mask"] = torch.arange(self.places) < torch.from_numpy(sizes)[:, None]
        if self.target is None:
            if property is not None:
                self.properties_of("train")  # raises
            return batch
        if property is None:
            values = self.property_prior.draw(indices, sizes, seed)
        elif type(property) in (int, float) and np.isfinite(property):
            values = np.full(len(sizes), float(property))
        else:
            raise DataError(f"property must be a finite number, {self.target}, got {property!r}")
        return {**batch, "property": self.scale(values)}

    def meaning(self, key: str) -> Hashable:
        if key == "x":
            return (
                f"elements {', '.join(self.elements)}; charged {self.charged}; {self.places} places"
            )
        return self.target if key == "property" else super().meaning(key)

    def log_prob_of_requests(self, batch: Batch) -> Float64[Tensor, " n"]:
        """Log probability of the molecules' numbers of atoms, nats."""
        return self.node_counts.log_prob(batch["mask"].sum(1).cpu())

    def _sizes(
        self, indices: Sequence[int], seed: int, asked: Any, least: int
    ) -> Int64[np.ndarray, " n"]:
        if asked is None:
            return self.node_counts.draw(indices, seed, least)
        if type(asked) is not int or not least <= asked <= self.places:
            raise DataError(f"atoms must be {least} to {self.places}, got {asked!r}")
        return np.full(len(indices), asked)

    def restore(self, batch: Batch) -> Batch:
        if "kept" not in batch:
            return batch
        return {**batch, "x": restored(batch["x"], batch["known"], batch["kept"])}

    def atoms(self, batch: Batch) -> Atoms:
        """Atomic numbers and positions of a batch, as drawn or from `compact`."""
        return decode(batch["x"], batch["mask"], self.elements)

    def bonds(self, atoms: Atoms) -> Int64[Tensor, "b places places"]:
        """Bond orders by which molecules are checked: 0 to 3, or at most 1 for `single_bonds`."""
        orders = bond_orders(*atoms)
        return orders.clamp(max=1) if self.single_bonds else orders

    def parts(self, batch: Batch) -> list[Atoms]:
        """Atoms of a few molecules each, on the CPU, without places that are empty in all.

        So distances between all atoms fit into memory, whatever the batch.
        """
        few = max(1, PAIRS // self.places**2)
        found = []
        for part in zip(*(one.cpu().split(few) for one in self.atoms(batch)), strict=True):
            used = max(int((part[0] > 0).sum(1).max()), 1)
            found.append(Atoms(*(one[:, :used] for one in part)))
        return found

    def molecules(self, batch: Batch) -> list[Mol]:
        """Convert a batch to RDKit's molecules, unchecked, with bonds and conformers."""
        return [
            molecule
            for part in self.parts(batch)
            for molecule in to_mols(part.numbers, self.bonds(part), part.positions)
        ]

    def mols(self, batch: Batch) -> list[Mol | None]:
        """Convert a batch to RDKit's molecules without conformers; None for invalid ones."""
        with quiet():
            return [
                sanitized(molecule)
                for part in self.parts(batch)
                for molecule in to_mols(part.numbers, self.bonds(part))
            ]

    def compact(self, batch: Batch) -> Batch:
        """Reduce types to the most likely and numbers to whole ones."""
        return {**batch, "x": harden(batch["x"].float(), batch["mask"], self.elements)}

    def show(self, batch: Batch, columns: int | None = None) -> Float[Tensor, "3 h w"]:
        """Draw structural formulas, and below them the molecules in space."""
        first = {key: value[: self.shown] for key, value in batch.items()}
        with quiet():
            return draw_molecules(self.molecules(first), columns)

    def save(self, folder: Path, batch: Batch) -> None:
        """Write `molecules.sdf`, `molecules.xyz` and `molecules.smi`.

        The SMILES file has a line for each chemically valid molecule: its SMILES, and its number
        from 0, which is also the title of the molecule in the other files. Where the package
        chemiscope is installed, `molecules.html` shows them in a browser, to be turned.
        """
        molecules = self.molecules(batch)
        with quiet():
            write_molecules(folder, molecules)
        if viewer() is not None:
            page = folder / "molecules.html"
            write_whole(page, lambda part: write_page(part, molecules, f"{self.name}: samples"))
