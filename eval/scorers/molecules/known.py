"""SMILES of training molecules, which samples are compared with for their novelty."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data import DataModule, Molecules
from data.chemistry.conversion import largest_fragment, quiet, to_mols
from data.files.cache import cached, content_key
from data.files.roots import cache_folder
from eval.scorers.molecules.facts import one_thread
from ldm import distributed
from ldm.progress import tracked

__all__ = ["LARGEST", "SMILES", "cached_smiles", "known_smiles"]

VERSION = "1"  # of the cached SMILES: change it with how they are made
LARGEST = 200_000
"""Training molecules up to which novelty is computed."""

SMILES = "SMILES of the train split"
"""Name of the step that finds them, for its progress."""


def cached_smiles(data: DataModule, find: Callable[[], Iterable[str | None]]) -> set[str]:
    """SMILES of a set's valid training molecules, found by the first rank and cached.

    Args:
        data: the set.
        find: gives the SMILES of each molecule, None of an invalid one.
    """
    path = cache_folder() / "smiles" / f"{content_key(VERSION, data.fingerprint)}.json"

    def make(part: Path) -> None:
        part.write_text(json.dumps(sorted({one for one in find() if one is not None})))

    def read(path: Path) -> set[str]:
        return set(json.loads(path.read_text()))

    if distributed.rank() == 0:
        cached(path, make, read)
    distributed.barrier()
    return cached(path, make, read)


def known_smiles(data: Molecules, batch_size: int) -> set[str] | None:
    """SMILES of the valid training molecules, by their geometries as those of samples; cached.

    None of sets with more than 200,000 of them.
    """
    if len(data.train_dataset) > LARGEST:
        return None

    def find() -> Iterator[str | None]:
        with quiet(), one_thread():
            for batch in tracked(SMILES, data.ordered_batches("train", batch_size)):
                for atoms in data.parts(batch):
                    for molecule in to_mols(atoms.numbers, data.bonds(atoms)):
                        named = largest_fragment(molecule)
                        yield None if named is None else named[0]

    return cached_smiles(data, find)
