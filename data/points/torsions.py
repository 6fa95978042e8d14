"""Torsion angles of proteins and RNA: points on two- and seven-dimensional tori."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from data.drawing import torus
from data.files.errors import DataError
from data.files.sources import Source
from data.files.tables import check_degrees, number_cells, read_lines
from data.points.base import SplitPoints
from data.points.charts import Chart, torus_chart
from data.points.circles import angles_of, check_embedding, embed

__all__ = ["RNA", "Protein"]

RNA_FILE = Source(
    "riemannian/rna.tsv",
    "189183ca25bd45c8a7578d3c1cd8a555b5139bb1ab0ac1a0bd25672be19badf7",
    "https://raw.githubusercontent.com/vislearn/FFF/"
    "7b99c97693c0ea24ca8b84d1884766cec751fb5f/fff/data/raw_data/torus/rna.tsv",
)
RNA_ROWS = 9478
PROTEIN_FILE = Source(
    "riemannian/protein.tsv",
    advice="fetch fff/data/raw_data/torus/protein.tsv (166,035 lines, 8.1 MB) from the GitHub "
    "repository vislearn/FFF and put it there, or try the format with sample=true and kind=General",
)
PROTEIN_SAMPLE = Source("riemannian/protein_sample.tsv", advice="set `root` or LDM_DATA")
PROTEIN_ROWS = {"General": 138208, "Glycine": 13283, "Proline": 7634, "Pre-Pro": 6910}


class Torsions(SplitPoints):
    """Torsion angles from a file in degrees, one point per row.

    Args:
        embedding: "angles" for radians in [0, 2 pi), or "pairs" for (cos, sin) of each angle.
        seed: seed of the sample order.
        workers: number of data loading processes.
        split: convention for the sizes of train, val and test, see `split_sizes`.
        split_seed: seed of the random split.
        root: folder of the file; see data/README.md for the folders searched by default.
    """

    angles: ClassVar[tuple[str, ...]]
    """Names of the angles, in the order of the coordinates."""

    def __init__(
        self,
        embedding: str = "angles",
        seed: int = 0,
        workers: int = 0,
        split: str = "rfm",
        split_seed: int = 0,
        root: str | None = None,
    ) -> None:
        super().__init__(seed, workers, split, split_seed)
        check_embedding(embedding)
        self.embedding, self.root = embedding, root

    @property
    def shape(self) -> tuple[int]:
        """Shape of one point: the number of angles, or twice that for pairs."""
        return (len(self.angles) * (2 if self.embedding == "pairs" else 1),)

    @abstractmethod
    def degrees(self) -> Float64[np.ndarray, "n angles"]:
        """Read all rows of the file."""

    def read(self) -> Float32[Tensor, "n coordinates"]:
        return embed(torch.from_numpy(np.deg2rad(self.degrees())), self.embedding).float()

    def drawing(
        self, data: Float[Tensor, "n coordinates"], samples: Float[Tensor, "m coordinates"]
    ) -> Float[Tensor, "3 h w"]:
        both = (angles_of(x, self.embedding) for x in (data, samples))
        return torus(*both, names=self.angles)

    def chart(self) -> Chart | None:
        return torus_chart(self.embedding, self.angles) if len(self.angles) == 2 else None


class Protein(Torsions):
    """Backbone angles phi and psi of 500 proteins (Lovell et al., 2003), by kind of residue.

    138,208 General, 13,283 Glycine, 7,634 Proline and 6,910 Pre-Pro (before a proline), as first
    used by Huang et al. (2022).

    Args:
        kind: kind of residue: "General", "Glycine", "Proline" or "Pre-Pro".
        embedding: as for `Torsions`.
        sample: read the 58 lines of `protein_sample.tsv` instead, to try the format; only General
            has enough lines to be split.
        seed: seed of the sample order.
        workers: number of data loading processes.
        split: convention for the sizes of train, val and test, see `split_sizes`.
        split_seed: seed of the random split.
        root: folder of the file.

    Raises:
        DataError: the file is missing, has another number of residues, or has a line that is not a
            name, two angles in degrees and a kind, separated by tabs.
    """

    angles = ("phi", "psi")

    def __init__(
        self,
        kind: str = "General",
        embedding: str = "angles",
        sample: bool = False,
        seed: int = 0,
        workers: int = 0,
        split: str = "rfm",
        split_seed: int = 0,
        root: str | None = None,
    ) -> None:
        super().__init__(embedding, seed, workers, split, split_seed, root)
        if kind not in PROTEIN_ROWS:
            raise DataError(f"kind must be one of {', '.join(PROTEIN_ROWS)}, got {kind!r}")
        self.kind, self.sample = kind, sample
        self.name = f"{kind} (sample)" if sample else kind

    def degrees(self) -> Float64[np.ndarray, "n 2"]:
        path = (PROTEIN_SAMPLE if self.sample else PROTEIN_FILE).locate(self.root)
        rows = {kind: [] for kind in PROTEIN_ROWS}
        for place, line in read_lines(path):
            cells = line.split("\t")
            if len(cells) != 4 or cells[3] not in rows:
                raise DataError(
                    f"{place} should hold a residue, phi, psi and one of {', '.join(rows)}, parted "
                    f"by tabs, got {line!r}: mend or remove the line"
                )
            rows[cells[3]].append(number_cells(place, cells[1:3], "phi and psi", largest=180))
        found = {kind: len(values) for kind, values in rows.items()}
        if not self.sample and found != PROTEIN_ROWS:
            raise DataError(f"{path} should hold {PROTEIN_ROWS}, got {found}: fetch it again")
        check_degrees(path, [row for of_kind in rows.values() for row in of_kind])
        return np.array(rows[self.kind])


class RNA(Torsions):
    """Seven torsion angles of 9,478 nucleotides (Murray et al., 2003; used by Huang et al., 2022).

    Epsilon and zeta are those of the published results, not the physical torsions: the script that
    computed them uses P and O5' of the same residue instead of the next.

    Args:
        embedding: as for `Torsions`.
        seed: seed of the sample order.
        workers: number of data loading processes.
        split: convention for the sizes of train, val and test, see `split_sizes`.
        split_seed: seed of the random split.
        root: folder of the file.

    Raises:
        DataError: the file is missing, has another number of rows, or has a line that is not an id,
            a base and seven angles in degrees, separated by tabs.
    """

    name = "RNA"
    angles = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "chi")

    def prepare_data(self) -> None:
        """Download the file if it is missing."""
        RNA_FILE.fetch(self.root)

    def degrees(self) -> Float64[np.ndarray, "n 7"]:
        path = RNA_FILE.locate(self.root)
        rows = []
        for place, line in read_lines(path):
            cells = line.split("\t")
            if len(cells) != 9 or cells[1] not in ("A", "C", "G", "U"):
                raise DataError(
                    f"{place} should hold a PDB id, one of A, C, G, U, and seven angles, parted by "
                    f"tabs, got {line!r}: mend or remove the line"
                )
            rows.append(number_cells(place, cells[2:], "seven angles", largest=180))
        if len(rows) != RNA_ROWS:
            raise DataError(f"{path} should hold {RNA_ROWS} rows, got {len(rows)}: fetch it again")
        check_degrees(path, rows)
        return np.array(rows)
