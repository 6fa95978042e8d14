"""SMILES of training molecules, which samples are compared with for their novelty."""

import json
from pathlib import Path

from data import Molecules
from data.chemistry.conversion import largest_fragment, quiet, to_mols
from data.files.cache import cached, content_key
from data.files.roots import cache_folder
from eval.scorers.molecules.facts import one_thread
from ldm import distributed
from ldm.progress import tracked

__all__ = ["LARGEST", "known_smiles"]

VERSION = "1"  # of the cached SMILES: change it with how they are made
LARGEST = 200_000
"""Training molecules up to which novelty is computed."""


def known_smiles(data: Molecules, batch_size: int) -> set[str] | None:
    """SMILES of the valid training molecules, by their geometries as those of samples; cached.

    None of sets with more than 200,000 of them.
    """
    if len(data.train_dataset) > LARGEST:
        return None
    path = cache_folder() / "smiles" / f"{content_key(VERSION, data.fingerprint)}.json"

    def make(part: Path) -> None:
        found = set()
        batches = data.ordered_batches("train", batch_size)
        with quiet(), one_thread():
            for batch in tracked("SMILES of the train split", batches):
                for atoms in data.parts(batch):
                    named = map(largest_fragment, to_mols(atoms.numbers, data.bonds(atoms)))
                    found |= {one[0] for one in named if one is not None}
        part.write_text(json.dumps(sorted(found)))

    def read(path: Path) -> set[str]:
        return set(json.loads(path.read_text()))

    if distributed.rank() == 0:
        cached(path, make, read)
    distributed.barrier()
    return cached(path, make, read)
