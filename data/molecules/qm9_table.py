"""The molecules of QM9 as arrays, their properties, and the units of these."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from data.files.errors import DataError

__all__ = ["ATOMREF", "PROPERTIES", "THERMO", "Table", "in_units", "load", "store"]

MOLECULES = 130_831

PROPERTIES = (
    *("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2"),
    *("zpve", "U0", "U", "H", "G", "Cv"),
)
"""Names of the properties, in the order of the archive."""

THERMO = ("zpve", "U0", "U", "H", "G", "Cv")
"""Properties of which those of the atoms are subtracted."""

ATOMREF = {
    1: (0.0, -0.500273, -0.497857, -0.496912, -0.510927, 2.981),
    6: (0.0, -37.846772, -37.845355, -37.844411, -37.861317, 2.981),
    7: (0.0, -54.583861, -54.582445, -54.581501, -54.598897, 2.981),
    8: (0.0, -75.064579, -75.063163, -75.062219, -75.079532, 2.981),
    9: (0.0, -99.718730, -99.717314, -99.716370, -99.733544, 2.981),
}
"""`THERMO` of single atoms by atomic number, Hartree and cal/(mol K): the data's atomref.txt."""

HARTREE = 27.2114  # eV, as papers on QM9 convert
IN_EV = ("homo", "lumo", "gap", "U0", "U", "H", "G")


class Table(NamedTuple):
    """Molecules of QM9 that passed its consistency check, in the order of the archive.

    Attributes:
        numbers: atomic numbers of all atoms, one molecule after the other.
        positions: of the atoms, Angstrom.
        sizes: number of atoms of each molecule.
        index: number of each molecule in the archive, from 1.
        properties: `PROPERTIES` of each molecule, in the archive's units.
    """

    numbers: UInt8[np.ndarray, " atoms"]
    positions: Float32[np.ndarray, "atoms 3"]
    sizes: Int64[np.ndarray, " n"]
    index: Int64[np.ndarray, " n"]
    properties: Float64[np.ndarray, "n 15"]


def in_units(table: Table, name: str) -> Float64[np.ndarray, " n"]:
    """A property of all molecules, in the units that papers report.

    eV for energies, of which those of the free atoms are subtracted (also from Cv, as published);
    meV for zpve; else the archive's: GHz for A, B, C, Debye for mu, Bohr^3 for alpha, Bohr^2 for
    r2, cal/(mol K) for Cv.
    """
    values = table.properties[:, PROPERTIES.index(name)].copy()
    if name in THERMO:
        single = np.zeros(max(ATOMREF) + 1)
        for number, reference in ATOMREF.items():
            single[number] = reference[THERMO.index(name)]
        starts = np.cumsum(table.sizes) - table.sizes
        values -= np.add.reduceat(single[table.numbers], starts)
    if name in IN_EV:
        return values * HARTREE
    return values * (1000 * HARTREE) if name == "zpve" else values


def checked(table: Table, path: Path) -> Table:
    """Return a table that has the molecules of QM9, by their number and sizes.

    Raises:
        DataError: it has others; the message names the file they come from.
    """
    n, atoms = len(table.index), int(table.sizes.sum())
    shapes = (len(table.sizes), len(table.properties)), (len(table.numbers), len(table.positions))
    if n != MOLECULES or shapes != ((n, n), (atoms, atoms)) or (np.diff(table.index) <= 0).any():
        raise DataError(
            f"{path} should hold {MOLECULES} molecules in the order of their numbers, with "
            f"properties and atoms for each; it holds {n} of {shapes[0]} sizes and properties, "
            f"{shapes[1]} atoms and positions: fetch it again"
        )
    for name, values in {"positions": table.positions, "properties": table.properties}.items():
        bad = ~np.isfinite(values).all(1)
        if bad.any():
            raise DataError(f"{path} has {name} that are NaN or infinite: fetch it again")
    if (table.sizes < 1).any():
        raise DataError(
            f"{path} has no atoms of molecule {table.index[table.sizes.argmin()]}: fetch it again"
        )
    unknown = np.setdiff1d(table.numbers, list(ATOMREF))
    if len(unknown):
        raise DataError(
            f"{path} has atoms of atomic numbers {unknown.tolist()}, and QM9 has those of "
            f"{list(ATOMREF)} alone: fetch it again"
        )
    return table


def store(path: Path, table: Table) -> None:
    """Write a table to an npz file, uncompressed, which is read in a moment."""
    with path.open("wb") as file:
        np.savez(file, **table._asdict())


def load(path: Path) -> Table:
    """Read what `store` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Table(*(arrays[name] for name in Table._fields))
