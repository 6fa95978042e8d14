"""The enumerated set: split by molecule, stable, made once, and the same every time."""

import numpy as np
import pytest

from data import DataError, SmallMolecules
from data.chemistry.bonds import stable_atoms
from data.molecules import small_molecules


@pytest.fixture
def made(cache):
    data = SmallMolecules(heavy=2, conformers=2)
    data.setup()
    return data


def test_conformers_of_one_molecule_are_in_one_split(made):
    ids = [
        frozenset(dataset.molecules.starts.tolist()) for dataset in map(made.dataset_of, made.held)
    ]
    starts = np.cumsum(made.arrays["sizes"]) - made.arrays["sizes"]
    molecule = dict(zip(starts.tolist(), made.arrays["molecule"].tolist(), strict=True))
    splits = [{molecule[start] for start in part} for part in ids]
    assert [len(part) for part in splits] == [10, 1, 1]
    assert set().union(*splits) == set(range(12))  # hydrogen fluoride is unknown to MMFF
    assert sum(map(len, ids)) == len(starts) == 24


def test_all_atoms_are_stable(made):
    batch = next(iter(made.ordered_batches("train", 64)))
    atoms = made.atoms(batch)
    assert stable_atoms(atoms.numbers, made.bonds(atoms))[batch["mask"]].all()


def test_molecules_are_made_once_and_always_the_same(made, cache, monkeypatch):
    assert len(list(cache.glob("small_molecules/*.npz"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr(small_molecules, "enumerate_molecules", None)
        assert SmallMolecules(heavy=2, conformers=2).fingerprint == made.fingerprint
    next(cache.glob("small_molecules/*.npz")).unlink()
    assert SmallMolecules(heavy=2, conformers=2, seed=3).fingerprint == made.fingerprint
    assert SmallMolecules(heavy=2, conformers=1).fingerprint != made.fingerprint


def test_numbers_out_of_range_are_refused():
    with pytest.raises(DataError, match="heavy must be 1 to 5 and conformers 1 or more, got 6"):
        SmallMolecules(heavy=6)
