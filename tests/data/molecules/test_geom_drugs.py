"""GEOM-Drugs from arrays in the published layout, mapped into memory; files that do not fit."""

import numpy as np
import pytest
import torch

from data import DataError, GeomDrugs
from data.chemistry.elements import GEOM_DRUGS, atomic_numbers

N = 24


@pytest.fixture
def write(tmp_path):
    """`write(**arrays)`: the files of 24 conformers, some replaced."""

    def write(**replaced: np.ndarray) -> GeomDrugs:
        draw = np.random.default_rng(0)
        sizes = draw.integers(2, 30, N)
        numbers = draw.choice(atomic_numbers(GEOM_DRUGS), sizes.sum())
        columns = [np.repeat(np.arange(N), sizes), numbers, *draw.normal(size=(3, sizes.sum()))]
        arrays = {"drugs_30": np.stack(columns, 1).astype(float), "drugs_n_30": sizes}
        arrays |= {"permutation": draw.permutation(N), **replaced}
        (tmp_path / "geom").mkdir(exist_ok=True)
        for name, array in arrays.items():
            np.save(tmp_path / "geom" / f"geom_{name}.npy", array)
        return GeomDrugs(root=str(tmp_path))

    return write


def test_splits_are_tenths_in_the_published_order(write, tmp_path):
    data = write()
    data.setup()
    order = np.load(tmp_path / "geom" / "geom_permutation.npy")
    assert [len(data.dataset_of(split)) for split in ("val", "test", "train")] == [2, 2, 20]
    assert np.concatenate([data.rows(s) for s in ("val", "test", "train")]).tolist() == list(order)


def test_atoms_are_those_of_the_array_which_stays_on_disk(write, tmp_path):
    data = write()
    array, first = np.load(tmp_path / "geom" / "geom_drugs_30.npy"), data.rows("train")[0]
    own = array[array[:, 0] == first]
    batch = data.train_dataset.__getitems__([0])
    assert batch["x"].shape == (1, 181, 3 + 16)
    atoms = data.atoms(batch)
    assert atoms.numbers[0, : len(own)].tolist() == own[:, 1].tolist()
    positions = torch.from_numpy(own[:, 2:] - own[:, 2:].mean(0)).float()
    torch.testing.assert_close(atoms.positions[0, : len(own)], positions)
    assert isinstance(data.train_dataset.molecules.positions, np.memmap)


def test_training_batches_have_similar_sizes_and_resume_alike(write):
    data = write()
    whole = list(data.train_batches(0, 80, 0, 1, 5))
    spread = [batch["mask"].sum(1).max() - batch["mask"].sum(1).min() for batch in whole]
    assert max(spread) <= 10
    later = list(data.train_batches(40, 80, 0, 1, 5))
    assert [b["index"].tolist() for b in later] == [b["index"].tolist() for b in whole[8:]]


def test_bonds_of_its_molecules_are_single(write):
    data = write()
    batch = data.train_dataset.__getitems__([0, 1])
    assert data.bonds(data.atoms(batch)).max() <= 1


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"permutation": np.arange(N - 1)}, "should be a permutation of 24 conformers, .* of 23"),
        ({"permutation": np.zeros(N, int)}, "should be a permutation of 24 conformers"),
        ({"drugs_n_30": np.full(N, 3)}, r"row of five numbers for each of 72 atoms, and has shape"),
        ({"drugs_n_30": np.zeros((N, 2))}, "should hold one whole number for each conformer"),
        ({"drugs_30": np.zeros((5, 4))}, r"has shape \(5, 4\): make it by build_geom_dataset\.py"),
    ],
    ids=["short", "equal", "sizes", "shape", "columns"],
)
def test_files_that_do_not_belong_together_are_refused(write, replaced, message):
    with pytest.raises(DataError, match=message):
        write(**replaced).setup()


def test_a_missing_or_damaged_file_is_named_with_its_origin(write, tmp_path):
    data = write()
    (tmp_path / "geom" / "geom_drugs_30.npy").write_bytes(b"atoms")
    with pytest.raises(DataError, match=r"geom_drugs_30\.npy is not a sound npy file"):
        data.setup()
    (tmp_path / "geom" / "geom_permutation.npy").unlink()
    with pytest.raises(DataError, match=r"geom_permutation\.npy is at none of .*data/geom"):
        GeomDrugs(root=str(tmp_path)).rows("train")


def test_an_atom_that_is_no_element_is_named(write, tmp_path):
    write()
    path = tmp_path / "geom" / "geom_drugs_30.npy"
    array = np.load(path)
    array[:, 1] = 54
    with pytest.raises(DataError, match="molecule 0 has an atom of atomic number 54"):
        write(drugs_30=array).setup()
