"""QM9 from the tables of the package `qm9pack`, by its author: the same numbers as in the archive.

The package's own reader builds a table of text of several gigabytes; here only the columns that are
used are parsed, and a row at a time.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from data.files.errors import DataError
from data.molecules.qm9_table import Table
from data.molecules.qm9_text import Molecule, gather

__all__ = ["read_package"]

COLUMNS = (
    *("RotA_GHz", "RotB_GHz", "RotC_GHz", "Dipole_debye", "Polarizability_bohr3", "HOMO_au"),
    *("LUMO_au", "HOMO_LUMO_gap_au", "R2_bohr2", "ZPVE_au", "InternalEnergy_0K_au"),
    *("InternalEnergy_298K_au", "Enthalphy_298K_au", "GibbsFreeEnergy_298K_au"),
    "Heatcapacity_Cv_cal_mol_K",
)
"""Columns of the properties, in the order of the archive; spelt as in the package."""


def read_package(tables: Sequence[Path]) -> Table:
    """Read the package's tables, sorted by the molecules' numbers in the archive.

    Raises:
        DataError: a table is missing, or has other columns or a damaged row.
    """
    return gather(molecule for table in tables for molecule in _rows(table))


def _cells(text: str) -> list[str]:
    """Split a list, or a list of lists, as numpy prints them: with numbers such as `1.`."""
    return text.replace("[", "").replace("]", "").split(",")


def _rows(path: Path) -> Iterator[Molecule]:
    try:
        with path.open(newline="") as file:
            rows = csv.DictReader(file)
            for row in rows:
                place = f"{path}:{rows.line_num}"
                try:
                    elements = _cells(row["Elements"].replace("'", ""))
                    flat = [float(cell) for cell in _cells(row["XYZ_Ang"])]
                    positions = [flat[i : i + 3] for i in range(0, len(flat), 3)]
                    values = [float(row[name]) for name in COLUMNS]
                    index = int(row["Index"])
                except (KeyError, ValueError, AttributeError) as error:
                    raise DataError(
                        f"{place} is no row of qm9pack's tables ({error!r}): install the package "
                        "again, version 1.0.3"
                    ) from error
                yield Molecule(place, index, elements, positions, values)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}): install qm9pack again") from error
