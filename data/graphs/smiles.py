"""Lists of SMILES read as graphs, which takes minutes for a published set and is cached."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rich.progress
from jaxtyping import Int64

from data.chemistry.elements import atomic_numbers
from data.chemistry.kekulized import from_smiles
from data.files.cache import cached, content_key
from data.files.errors import DataError
from data.files.roots import cache_folder, stamp
from data.graphs.packed import Graph, PackedGraphs

__all__ = ["packed_smiles", "smiles_column"]

VERSION = "1"  # of the cached arrays: change it with what is read


def packed_smiles(
    smiles: Sequence[str], elements: Sequence[str], path: Path
) -> tuple[PackedGraphs, Int64[np.ndarray, " kept"]]:
    """Read molecules as graphs whose node classes are places in a list of elements.

    Molecules of one atom, or with an atom without bonds, are left out.

    Args:
        smiles: of the molecules.
        elements: that they may consist of.
        path: of the file that they are from, by which graphs are cached.

    Returns:
        The graphs, and the numbers of the molecules that were kept.

    Raises:
        DataError: one cannot be read, or has another element; the message gives its number.
    """
    key = content_key(VERSION, stamp(path), *elements)
    *graphs, kept = cached(
        cache_folder() / "graphs" / f"{key}.npz",
        lambda part: _store(part, _pack(smiles, elements, path)),
        _load,
    )
    return PackedGraphs(*graphs), kept


def smiles_column(path: Path, *names: str) -> list[str]:
    """Read the first of these columns of a table that it has.

    Raises:
        DataError: it has none of them, or is no table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            name = next(name for name in names if name in (rows.fieldnames or ()))
            return [row[name].strip() for row in rows]
    except (OSError, ValueError, csv.Error, AttributeError, StopIteration) as error:
        raise DataError(
            f"{path} should be a table with a column {' or '.join(names)}: fetch it again"
        ) from error


def _pack(
    smiles: Sequence[str], elements: Sequence[str], path: Path
) -> tuple[PackedGraphs, Int64[np.ndarray, " kept"]]:
    """Read molecules as graphs; also returns the numbers of those that are kept."""
    classes = {number: kind for kind, number in enumerate(atomic_numbers(elements))}
    graphs, kept = [], []
    for row, one in enumerate(rich.progress.track(smiles, path.name, transient=True)):
        try:
            numbers, bonds = from_smiles(one)
        except DataError as error:
            raise DataError(f"{path}, molecule {row}: {error}") from error
        if foreign := set(numbers) - classes.keys():
            raise DataError(
                f"{path}, molecule {row}: {one!r} has an atom of atomic number {min(foreign)}, and "
                f"the set is of {', '.join(elements)}: remove it"
            )
        table = np.array(bonds, np.int64).reshape(-1, 3)
        if len(set(table[:, :2].ravel().tolist())) == len(numbers):
            kinds = np.array([classes[number] for number in numbers], np.uint8)
            graphs.append(Graph(kinds, table[:, :2], table[:, 2].astype(np.uint8)))
            kept.append(row)
    return PackedGraphs.of(graphs), np.array(kept, np.int64)


def _store(part: Path, packed: tuple[PackedGraphs, np.ndarray]) -> None:
    with part.open("wb") as file:
        np.savez_compressed(file, *packed[0], packed[1])


def _load(path: Path) -> list[np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]
