"""QM9: the published split, halves and histograms of the real data; its properties' units."""

import numpy as np
import pytest
import torch
from small_qm9 import SIZES, small_table, write_archive

from data import QM9, DataError
from data.chemistry.bonds import bond_orders, stable_atoms
from data.molecules.qm9_table import ATOMREF, PROPERTIES, in_units

TRAIN = """3:1 4:4 5:5 6:9 7:16 8:49 9:124 10:362 11:807 12:1689 13:3060 14:5136 15:7796 16:10644
17:13025 18:13364 19:13832 20:9482 21:9970 22:3393 23:4848 24:539 25:1506 26:48 27:266 29:25"""
WITHOUT_H = "1:2 2:5 3:7 4:25 5:91 6:475 7:2404 8:13625 9:83366"
SECOND_HALF = """3:1 4:3 5:3 6:5 7:7 8:25 9:62 10:178 11:412 12:845 13:1541 14:2587 15:3865 16:5344
17:6461 18:6695 19:6944 20:4794 21:4962 22:1701 23:2380 24:267 25:754 26:17 27:132 29:15"""


@pytest.fixture
def real(shared_data, tmp_path_factory, monkeypatch):
    """`real(**options)`: the whole of QM9, whose arrays are made once for all tests."""
    monkeypatch.setenv("LDM_CACHE", str(tmp_path_factory.getbasetemp() / "qm9"))
    return lambda **options: QM9(root=str(shared_data), **options)


@pytest.mark.parametrize(
    ("options", "published"),
    [
        ({}, TRAIN),
        ({"hydrogens": False}, WITHOUT_H),
        ({"half": "second"}, SECOND_HALF),
    ],
    ids=["train", "without hydrogens", "second half"],
)
def test_numbers_of_atoms_are_the_published_ones(real, options, published):
    found = real(**options).node_counts
    pairs = zip(found.values.tolist(), found.counts.tolist(), strict=True)
    assert " ".join(f"{size}:{count}" for size, count in pairs) == " ".join(published.split())


def test_the_distribution_of_sizes_has_the_published_entropy(real):
    counts = real().node_counts
    share = torch.from_numpy(counts.counts / counts.counts.sum())
    log_prob = counts.log_prob(torch.from_numpy(counts.values))
    assert -(share * log_prob).sum().item() == pytest.approx(2.4757006, abs=1e-7)
    assert counts.log_prob(torch.tensor([19])).item() == pytest.approx(-1.9781854, abs=1e-7)


def test_splits_are_disjoint_halves_part_the_train_split_and_elements_are_counted(real):
    data = real()
    rows = [data.rows(split) for split in data.held]
    assert [len(part) for part in rows] == [100_000, 17_748, 13_083]
    assert len(np.unique(np.concatenate(rows))) == 130_831
    halves = [real(half=half).rows("train") for half in ("first", "second")]
    assert np.array_equal(np.sort(np.concatenate(halves)), np.sort(rows[0]))
    molecule = np.repeat(np.arange(len(data.table.sizes)), data.table.sizes)
    train = np.isin(molecule, rows[0])
    counts = np.bincount(data.table.numbers[train], minlength=10)[[1, 6, 7, 8, 9]]
    assert counts.tolist() == [923_537, 635_559, 101_476, 140_202, 2_323]


def test_stability_of_the_data_is_the_published_one(real):
    data = real()
    batch = next(iter(data.ordered_batches("train", 1000)))
    atoms = data.atoms(batch)
    stable = stable_atoms(atoms.numbers, bond_orders(*atoms)) | ~batch["mask"]
    assert stable.all(1).float().mean().item() == pytest.approx(0.952, abs=0.02)


@pytest.mark.parametrize(("half", "split"), [("second", "val"), (None, "train")])
def test_properties_are_normalised_by_the_split_that_papers_use(real, half, split):
    data = real(half=half, property="alpha")
    values = data.properties_of(split)
    assert data.scale.mean == pytest.approx(values.mean())
    assert data.scale.mad == pytest.approx(np.abs(values - values.mean()).mean())
    batch = data.dataset_of("test").__getitems__([0, 5])
    torch.testing.assert_close(batch["property"], data.scale(data.properties_of("test")[[0, 5]]))


@pytest.fixture
def made(tmp_path, small):
    return lambda **options: QM9(root=str(write_archive(tmp_path)), **options)


def test_energies_are_those_of_atomisation_in_the_units_of_papers():
    table = small_table()
    raw = dict(zip(PROPERTIES, table.properties.T, strict=True))
    hydrogens = table.sizes - 2

    def free(column: int) -> np.ndarray:
        parts = ATOMREF[6][column], ATOMREF[7][column]
        return sum(parts) + hydrogens * ATOMREF[1][column]

    assert np.allclose(in_units(table, "alpha"), raw["alpha"])
    assert np.allclose(in_units(table, "gap"), 27.2114 * raw["gap"])
    assert np.allclose(in_units(table, "U0"), 27.2114 * (raw["U0"] - free(1)))
    assert np.allclose(in_units(table, "zpve"), 27211.4 * raw["zpve"])
    assert np.allclose(in_units(table, "Cv"), raw["Cv"] - 2.981 * table.sizes)


def test_batches_hold_centred_atoms_first_and_empty_padding(made):
    data = made()
    data.setup()
    batch = data.train_dataset.__getitems__(range(6))
    x, mask = batch["x"], batch["mask"]
    assert x.shape == (6, 29, 3 + 5 + 1)
    assert mask.sum(1).tolist() == data.train_dataset.sizes.tolist()
    assert (mask[:, :-1] >= mask[:, 1:]).all()
    assert not x[~mask].any()
    assert x[..., :3].sum(1).abs().max() < 1e-5
    assert torch.equal(x[..., 3:8].sum(-1), mask.float())
    assert torch.equal(x[..., 8].long(), data.atoms(batch).numbers)
    table, row = small_table(), data.rows("train")[0]
    start = table.sizes[:row].sum()
    positions = torch.from_numpy(table.positions[start : start + table.sizes[row]])
    torch.testing.assert_close(x[0, : len(positions), :3], positions - positions.mean(0))


def test_without_hydrogens_the_heavy_atoms_are_centred(made):
    data = made(hydrogens=False, charged=False)
    batch = data.train_dataset.__getitems__(range(6))
    assert batch["x"].shape == (6, 9, 8)
    assert data.atoms(batch).numbers.tolist() == [[6, 7, 0, 0, 0, 0, 0, 0, 0]] * 6
    assert batch["x"][..., :3].sum(1).abs().max() < 1e-5


def test_options_that_do_not_exist_are_refused():
    with pytest.raises(DataError, match="half must be 'first', 'second' or null, got 'third'"):
        QM9(half="third")
    with pytest.raises(DataError, match=r"property must be one of A, B, C, mu, .*, got 'mass'"):
        QM9(property="mass")


def test_ten_molecules_are_no_qm9(tmp_path, small, monkeypatch):
    monkeypatch.setattr("data.molecules.qm9_table.MOLECULES", 130_831)
    with pytest.raises(DataError, match=f"should hold 130831 molecules .* it holds {len(SIZES)}"):
        QM9(root=str(write_archive(tmp_path))).setup()


def test_batches_of_similar_size_have_the_same_molecules_as_others(real):
    plain, sorted_by_size = (
        list(real(buckets=buckets).train_batches(0, 2048, 0, 1, 32)) for buckets in (False, True)
    )
    drawn, again = (
        torch.cat([batch["index"] for batch in batches]).sort().values.tolist()
        for batches in (plain, sorted_by_size)
    )
    assert drawn == again
    places = [
        sum(len(batch["mask"]) * batch["mask"].sum(1).max().item() for batch in batches)
        for batches in (plain, sorted_by_size)
    ]
    assert places[1] < 0.8 * places[0]
