"""Chemical elements: symbols, atomic numbers, and the elements of the data sets."""

from collections.abc import Sequence

from data.files.errors import DataError

__all__ = ["ELEMENTS", "GEOM_DRUGS", "QM9", "atomic_numbers", "symbols"]

ELEMENTS = {
    "H": 1,
    "B": 5,
    "C": 6,
    "N": 7,
    "O": 8,
    "F": 9,
    "Al": 13,
    "Si": 14,
    "P": 15,
    "S": 16,
    "Cl": 17,
    "As": 33,
    "Br": 35,
    "I": 53,
    "Hg": 80,
    "Bi": 83,
}
"""Atomic numbers of the elements whose bonds are known, by symbol."""

QM9 = ("H", "C", "N", "O", "F")

GEOM_DRUGS = tuple(ELEMENTS)

LARGEST = max(ELEMENTS.values())


def atomic_numbers(names: Sequence[str]) -> list[int]:
    """Atomic numbers of element symbols.

    Raises:
        DataError: a symbol is of no element whose bonds are known.

    Example:
        >>> atomic_numbers(["C", "Br"])
        [6, 35]
    """
    unknown = sorted(set(names) - ELEMENTS.keys())
    if unknown:
        raise DataError(
            f"unknown elements {', '.join(map(repr, unknown))}: molecules may have "
            f"{', '.join(ELEMENTS)}"
        )
    return [ELEMENTS[name] for name in names]


def symbols(numbers: Sequence[int]) -> list[str]:
    """Symbols of atomic numbers, as `atomic_numbers` reads them.

    Raises:
        DataError: a number is of no element whose bonds are known.

    Example:
        >>> symbols([6, 35])
        ['C', 'Br']
    """
    names = {number: name for name, number in ELEMENTS.items()}
    unknown = sorted(set(numbers) - names.keys())
    if unknown:
        raise DataError(
            f"unknown atomic numbers {', '.join(map(str, unknown))}: molecules may have "
            f"{', '.join(ELEMENTS)}"
        )
    return [names[number] for number in numbers]
