"""QM9 from its official archive, a list of molecules to leave out, and energies of atoms."""

import re
from collections.abc import Iterator
from pathlib import Path

from data.files.archives import opened
from data.files.errors import DataError
from data.molecules.qm9_table import ATOMREF, THERMO, Table
from data.molecules.qm9_text import Molecule, gather

__all__ = ["read_archive", "read_atomref", "read_exclusions", "read_member"]

EXCLUDED = 3054
HEADER = 9  # lines of the list of excluded molecules, some of which begin with numbers


def read_archive(archive: Path, exclusions: Path, atomref: Path) -> Table:
    """Read the molecules of dsgdb9nsd.xyz.tar.bz2 that passed the consistency check.

    Raises:
        DataError: a file is damaged; the message names the member of the archive, or the line.
    """
    read_atomref(atomref)
    excluded = read_exclusions(exclusions)

    def kept() -> Iterator[Molecule]:
        with opened(archive) as members:
            for name, content in members:
                if name.endswith(".xyz"):
                    molecule = read_member(f"{archive}:{name}", content.read())
                    if molecule.index not in excluded:
                        yield molecule

    return gather(kept())


def read_member(place: str, content: bytes) -> Molecule:
    """Read an extended XYZ file of QM9.

    Its lines are the number of atoms; `gdb`, the molecule's number and 15 properties; an element,
    three coordinates and a charge for each atom; frequencies, SMILES and InChI, which are not used.

    Raises:
        DataError: it is something else, or cut short.
    """
    try:
        lines = content.decode("ascii").replace("*^", "e").splitlines()
        size = int(lines[0])
        _, index, *properties = lines[1].split()
        atoms = [line.split() for line in lines[2 : 2 + size]]
        if len(atoms) < size:
            raise ValueError(f"{len(atoms)} atoms of {size}")
        return Molecule(
            place,
            int(index),
            [atom[0] for atom in atoms],
            [[float(cell) for cell in atom[1:4]] for atom in atoms],
            [float(cell) for cell in properties],
        )
    except (ValueError, IndexError) as error:  # decoding errors are ValueErrors
        raise DataError(
            f"{place} is no molecule of QM9 ({error}): the archive is damaged; fetch it again"
        ) from error


def read_exclusions(path: Path) -> set[int]:
    """Read the numbers of molecules that failed the consistency check: uncharacterized.txt.

    Raises:
        DataError: there are not 3,054 of them.
    """
    lines = path.read_text("utf-8", errors="replace").splitlines()[HEADER:]
    first = [line.split()[0] for line in lines if line.strip()]
    numbers = {int(cell) for cell in first if re.fullmatch(r"\d+", cell)}
    if len(numbers) != EXCLUDED:
        raise DataError(
            f"{path} should list {EXCLUDED} molecules to leave out, after {HEADER} lines, and "
            f"lists {len(numbers)}: fetch it again"
        )
    return numbers


def read_atomref(path: Path) -> None:
    """Check energies of atoms, atomref.txt, against those that are subtracted here.

    Raises:
        DataError: it has other energies, or not all of them.
    """
    lines = [line.split() for line in path.read_text("utf-8", errors="replace").splitlines()]
    found = {line[0]: line[1 : 1 + len(THERMO)] for line in lines if line}
    for symbol, expected in zip("HCNOF", ATOMREF.values(), strict=True):
        cells = found.get(symbol, [])
        try:
            values = tuple(map(float, cells))
        except ValueError:
            values = ()
        if values != expected:
            raise DataError(
                f"{path} should have {', '.join(THERMO)} of {symbol} as {expected}, got "
                f"{' '.join(cells) or 'nothing'}: fetch it again"
            )
