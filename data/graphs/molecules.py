"""Molecules as graphs of heavy atoms: QM9 and ZINC250k, from SMILES.

The graphs are those of Zang and Wang, "MoFlow", 2020, which GDSS and GLAD compare on: kekulised,
without hydrogens, charges and stereo; molecules of one atom, or with an atom without bonds, are
left out.
"""

import json
from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from data.batch import Batch
from data.chemistry.conversion import Mol, quiet, sanitized
from data.chemistry.correction import correct_valences
from data.chemistry.elements import atomic_numbers
from data.chemistry.kekulized import to_charged_mols
from data.files.errors import DataError
from data.files.roots import find, looked_for
from data.files.whole import write_whole
from data.graphs.base import Graphs
from data.graphs.dense import adjacency, split
from data.graphs.packed import PackedGraphs
from data.graphs.smiles import packed_smiles, smiles_column
from data.order import permutation

__all__ = ["QM9Graphs", "ZINC250k"]

LISTS = [f"molecules/zinc250k_{part}.smi" for part in ("valid", "test")]  # JT-VAE's
HELD_OUT = 10  # without the published list, one molecule in so many is held out


class MoleculeGraphs(Graphs):
    """Molecules as graphs; bond orders are 1 to 3, node classes are elements.

    Args:
        split: "published" for the test split of MoFlow, GDSS and GLAD, whose list of rows must be
            there; "drawn" for a random tenth, always the same.
        permute: give the nodes of every sample that is drawn for training a random order.
        seed: of the order of samples and of nodes.
        workers: number of data loading processes.
        root: folder of the files; see data/README.md for the folders searched by default.

    Raises:
        DataError: a file is missing or damaged, or a molecule cannot be read.
    """

    orders = 3
    listed: str
    """Name of the file that lists the rows of the test split."""

    def __init__(
        self,
        split: Literal["published", "drawn"] = "published",
        permute: bool = False,
        seed: int = 0,
        workers: int = 0,
        root: str | None = None,
    ) -> None:
        super().__init__(permute, seed, workers)
        if split not in ("published", "drawn"):
            raise DataError(f"split must be 'published' or 'drawn', got {split!r}")
        self.split, self.root = split, root

    @abstractmethod
    def source(self) -> tuple[Path, Int64[np.ndarray, " n"], list[str]]:
        """Find the file, and read its molecules: their rows in the published table, and SMILES."""

    def read(self) -> PackedGraphs:
        path, rows, smiles = self.source()
        graphs, kept = packed_smiles(smiles, self.kinds, path)
        self._rows = rows[kept]
        return graphs

    def held_out(self, n: int) -> Bool[np.ndarray, " n"]:
        if self.split == "drawn":
            return permutation(n, 0, HELD_OUT) < n // HELD_OUT
        return np.isin(self._rows, self._listed())

    def _listed(self) -> Int64[np.ndarray, " rows"]:
        places = (f"molecules/{self.listed}", self.listed)
        path = find(self.root, *places)
        if path is None:
            raise DataError(
                f"the rows of the test split of {self.name} are at none of "
                f"{looked_for(self.root, *places)}: copy data/{self.listed} of the GitHub "
                f"repository harryjo97/GDSS to datasets/molecules, or set split=drawn"
            )
        try:
            rows = json.loads(path.read_text())
            rows = rows["valid_idxs"] if isinstance(rows, dict) else rows
            return np.array([int(row) for row in rows], np.int64)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is no list of rows ({error}): fetch it again") from error

    def mols(self, batch: Batch) -> list[Mol | None]:
        """RDKit's molecules of a batch, real or generated; None for those it finds invalid."""
        with quiet():
            return [sanitized(molecule) for molecule in to_charged_mols(*self._atoms(batch))]

    def correct(self, batch: Batch) -> Batch:
        """The largest piece of each graph, with bonds lowered where valences are exceeded.

        So all are valid molecules; see `correct_valences`.
        """
        orders, largest = correct_valences(*self._atoms(batch))
        # Occupied places come first.
        first = (~largest).long().argsort(dim=1, stable=True)[..., None]
        orders = orders.gather(1, first.expand_as(orders)).gather(2, first.mT.expand_as(orders))
        nodes = split(batch["x"])[0].cpu()
        nodes = nodes.gather(1, first.expand_as(nodes))
        mask = largest.gather(1, first[..., 0])
        x = torch.cat([nodes, orders.to(nodes) * (mask[:, :, None] & mask[:, None])], 2)
        return {**batch, "x": x * mask[..., None], "mask": mask}

    def _atoms(self, batch: Batch) -> tuple[Int64[Tensor, "b n"], Int64[Tensor, "b n n"]]:
        """Atomic numbers, 0 in empty places, and orders of bonds."""
        numbers = torch.tensor(atomic_numbers(self.kinds))[split(batch["x"])[0].argmax(2).cpu()]
        orders = adjacency(batch).cpu().long().clamp(max=self.orders)
        return numbers * batch["mask"].cpu(), orders

    def save(self, folder: Path, batch: Batch) -> None:
        """Write `graphs.json`, GraphML, and SMILES with their index.

        `molecules.smi` has the valid ones as they are, `corrected.smi` all of them as `correct`
        makes them valid.
        """
        super().save(folder, batch)
        for name, given in {"molecules": batch, "corrected": self.correct(batch)}.items():
            self._write_smiles(folder / f"{name}.smi", given)

    def _write_smiles(self, path: Path, batch: Batch) -> None:
        from rdkit import Chem

        found = zip(self.mols(batch), batch["index"].tolist(), strict=True)
        lines = [f"{Chem.MolToSmiles(mol)} {index}\n" for mol, index in found if mol is not None]
        write_whole(path, lambda part: part.write_text("".join(lines)))


class QM9Graphs(MoleculeGraphs):
    """QM9's molecules of up to nine carbon, nitrogen, oxygen and fluorine atoms, as graphs.

    The published rows count from the first of the archive's 133,885 molecules. From `qm9.npz`
    come 130,831 of them: those that fail the archive's check of consistency are not in it.
    """

    name, places, kinds = "QM9 (graphs)", 9, ("C", "N", "O", "F")
    listed = "valid_idx_qm9.json"

    def source(self) -> tuple[Path, Int64[np.ndarray, " n"], list[str]]:
        table = find(self.root, "molecules/qm9.csv", "qm9.csv")
        if table is not None:
            smiles = smiles_column(table, "SMILES1", "smiles")
            return table, np.arange(len(smiles)), smiles
        places = ("molecules/qm9.npz", "qm9/qm9.npz", "qm9.npz")
        path = find(self.root, *places)
        if path is None:
            raise _missing(self.name, self.root, "molecules/qm9.csv", *places)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                rows, smiles = arrays["index"] - 1, str(arrays["smiles"]).split("\n")
            if len(rows) != len(smiles):
                raise ValueError(f"{len(rows)} numbers of {len(smiles)} molecules")
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise DataError(f"{path} is damaged ({error}): fetch it again") from error
        return path, rows.astype(np.int64), smiles


class ZINC250k(MoleculeGraphs):
    """249,455 drug-like molecules of up to 38 atoms of nine elements, as graphs.

    Without the table, the 24,445 + 5,000 molecules of two lists of Jin et al. (JT-VAE, 2018) are
    read instead, and the set is named so.
    """

    places = 38
    kinds = ("C", "N", "O", "F", "P", "S", "Cl", "Br", "I")
    listed = "valid_idx_zinc250k.json"

    @property
    def name(self) -> str:
        """Name of the set, or of the part of it that is there."""
        lists = self._table is None and None not in self._lists
        return "ZINC250k (29,445 molecules)" if lists else "ZINC250k"

    def source(self) -> tuple[Path, Int64[np.ndarray, " n"], list[str]]:
        if self._table is not None:
            smiles = smiles_column(self._table, "smiles")
            return self._table, np.arange(len(smiles)), smiles
        smiles = [one for part in self._read_lists() for one in part]
        return self._lists[0], np.arange(len(smiles)), smiles

    @cached_property
    def _table(self) -> Path | None:
        return find(self.root, "molecules/zinc250k.csv", "zinc250k.csv")

    @cached_property
    def _lists(self) -> list[Path | None]:
        return [find(self.root, name) for name in LISTS]

    def _read_lists(self) -> list[list[str]]:
        if None in self._lists:
            raise _missing("ZINC250k", self.root, "molecules/zinc250k.csv", *LISTS)
        return [_words(path) for path in self._lists]

    def _listed(self) -> Int64[np.ndarray, " rows"]:
        if self._table is not None:
            return super()._listed()
        train, test = map(len, self._read_lists())
        return np.arange(train, train + test)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no list of SMILES ({error}): fetch it again") from error


def _missing(name: str, root: str | None, *places: str) -> DataError:
    return DataError(
        f"{name} is at none of {looked_for(root, *places)}: set `root` or LDM_DATA, or put the "
        f"first there"
    )
