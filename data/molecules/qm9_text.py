"""Molecules of QM9 that were read from text, one after the other, and their arrays."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from data.chemistry.elements import QM9, atomic_numbers
from data.files.errors import DataError
from data.molecules.qm9_table import PROPERTIES, Table

__all__ = ["Molecule", "gather"]


class Molecule(NamedTuple):
    """One molecule as text has it.

    Attributes:
        place: where it was read, for messages.
        index: its number in the archive.
        elements: symbols of its atoms.
        positions: of the atoms, Angstrom.
        properties: in the archive's units.
    """

    place: str
    index: int
    elements: Sequence[str]
    positions: Sequence[Sequence[float]]
    properties: Sequence[float]


def gather(molecules: Iterable[Molecule]) -> Table:
    """Join molecules to arrays, sorted by their numbers in the archive.

    Raises:
        DataError: one has no atoms, unknown elements, numbers that are missing or not finite; or
            two have one number. The message says where it was read.
    """
    index, sizes, properties, numbers, positions = [], [], [], [], []
    for molecule in molecules:
        _check(molecule)
        index.append(molecule.index)
        sizes.append(len(molecule.elements))
        properties.append(molecule.properties)
        numbers.append(np.array(atomic_numbers(molecule.elements), np.uint8))
        positions.append(np.array(molecule.positions).astype(np.float32))
    order = np.argsort(index, kind="stable")
    return Table(
        np.concatenate([numbers[i] for i in order] or [np.zeros(0, np.uint8)]),
        np.concatenate([positions[i] for i in order] or [np.zeros((0, 3), np.float32)]),
        np.array(sizes, np.int64)[order],
        np.array(index, np.int64)[order],
        np.array(properties, np.float64).reshape(-1, len(PROPERTIES))[order],
    )


def _check(molecule: Molecule) -> None:
    place, elements = molecule.place, molecule.elements
    if not elements:
        raise DataError(f"{place} has no atoms: fetch the file again")
    if unknown := sorted(set(elements) - set(QM9)):
        raise DataError(
            f"{place} has unknown elements {', '.join(map(repr, unknown))}, and QM9 has "
            f"{', '.join(QM9)} alone: fetch the file again"
        )
    shapes = {len(position) for position in molecule.positions}
    if len(molecule.positions) != len(elements) or shapes != {3}:
        raise DataError(f"{place} has no position for each of its atoms: fetch the file again")
    if len(molecule.properties) != len(PROPERTIES):
        raise DataError(
            f"{place} should have {len(PROPERTIES)} properties, got {len(molecule.properties)}: "
            "fetch the file again"
        )
    values = (*molecule.properties, *(value for point in molecule.positions for value in point))
    if not all(map(math.isfinite, values)):
        raise DataError(f"{place} has numbers that are NaN or infinite: fetch the file again")
