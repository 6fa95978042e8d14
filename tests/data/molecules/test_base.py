"""Laws of all sets of molecules: batches, requests, properties, pictures and files."""

import numpy as np
import pytest
import torch
from small_qm9 import write_archive

from data import QM9, DataError
from data.chemistry.elements import GEOM_DRUGS
from data.molecules.base import Molecules
from data.molecules.dataset import Layout, MoleculeDataset, ragged
from data.molecules.encoding import Atoms, decode, encode, harden
from data.molecules.requests import NodeCounts, PropertyPrior, Scale

SIZES = np.repeat([3, 5, 6], [1, 2, 1])


class Drawn(Molecules):
    """Four molecules of carbon atoms, of which the property is ten times their size."""

    name, elements, places, target = "drawn", GEOM_DRUGS, 7, "size"

    def load(self, split):
        positions = np.random.default_rng(0).normal(size=(SIZES.sum(), 3)).astype(np.float32)
        molecules = ragged(np.full(SIZES.sum(), 6), positions, SIZES)
        return MoleculeDataset(molecules, self.layout, self.scale(self.properties_of(split)))

    def properties_of(self, split):
        return 10.0 * SIZES + np.arange(4)


def test_types_and_numbers_are_read_as_they_were_written():
    numbers = torch.tensor([[6, 35, 1], [83, 0, 0]])
    positions = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    x = encode(Atoms(numbers, positions), GEOM_DRUGS, charged=True)
    assert x.shape == (2, 3, 3 + 16 + 1)
    found = decode(x, numbers > 0, GEOM_DRUGS)
    assert torch.equal(found.numbers, numbers)
    torch.testing.assert_close(found.positions[0], positions[0] - positions[0].mean(0))
    assert not found.positions[1].any()
    assert torch.equal(x[..., -1].long(), numbers)


def test_soft_types_become_the_most_likely_and_padding_empty():
    mask = torch.tensor([[True, True, False]])
    soft = torch.tensor([[[1, 2, 3, 0.4, 0.6, 5.7], [0, 0, 0, -1, -2, 1.2], [1, 1, 1, 1, 1, 1]]])
    hard = harden(soft, mask, ("H", "C"))
    assert hard.tolist() == [[[1, 2, 3, 0, 1, 6], [0, 0, 0, 1, 0, 1], [0] * 6]]
    assert decode(soft, mask, ("H", "C")).numbers.tolist() == [[6, 1, 0]]


def test_requests_are_functions_of_index_and_seed_alone():
    data = Drawn()
    many = data.requests(range(100), seed=3)
    few = data.requests([7, 31], seed=3)
    for key, value in few.items():
        assert torch.equal(value, many[key][[7, 31]])
    assert not torch.equal(many["mask"], data.requests(range(100), seed=4)["mask"])


def test_sizes_are_drawn_as_often_as_training_molecules_have_them():
    sizes = NodeCounts(SIZES).draw(range(40_000), seed=0)
    found, counts = np.unique(sizes, return_counts=True)
    assert found.tolist() == [3, 5, 6]
    assert counts / 40_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.01)  # four standard errors
    log_prob = NodeCounts(SIZES).log_prob(torch.tensor([3, 5, 4]))
    assert log_prob.exp().tolist() == [0.25, 0.5, 0]


def test_numbers_of_atoms_and_properties_can_be_asked_for():
    batch = Drawn().requests([0, 1], seed=0, atoms=4, property=60.0)
    assert batch["mask"].tolist() == [[True] * 4 + [False] * 3] * 2
    assert Drawn().scale.invert(batch["property"]) == pytest.approx([60, 60])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"atoms": 8}, "atoms must be 1 to 7, got 8"),
        ({"atoms": 2.5}, "atoms must be 1 to 7, got 2.5"),
        ({"atoms": 4}, r"no training molecule has 4 atoms.*condition\.property="),
        ({"atoms": True}, "atoms must be 1 to 7, got True"),
        ({"property": "high"}, "property must be a finite number, size, got 'high'"),
        ({"property": float("nan")}, "property must be a finite number, size, got nan"),
        ({"property": float("inf")}, "property must be a finite number, size, got inf"),
        ({"property": True}, "property must be a finite number, size, got True"),
        ({"label": 1}, "label=1, but drawn has no classes"),
        ({"colour": 1}, "colour"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(asked, message):
    with pytest.raises(DataError, match=message):
        Drawn().requests([0], seed=0, **asked)


def test_a_property_of_a_set_without_one_is_refused(tmp_path, small):
    data = QM9(root=str(write_archive(tmp_path)))
    with pytest.raises(DataError, match=r"QM9 has no property: choose one, data\.property="):
        data.requests([0], seed=0, property=3.0)


def test_properties_follow_their_histogram_at_each_size():
    values = np.concatenate([np.linspace(0, 1, 1001), [5, 5, 7]])
    sizes = np.repeat([3, 4], [1001, 3])
    prior = PropertyPrior(values, sizes)
    drawn = prior.draw(range(10_000), np.repeat([3, 4], 5000), seed=0)
    assert drawn[:5000].mean() == pytest.approx(0.5, abs=0.02)
    assert drawn[:5000].std() == pytest.approx(12**-0.5, abs=0.01)
    assert (drawn[5000:] < 5.002).mean() == pytest.approx(2 / 3, abs=0.03)
    assert ((drawn[5000:] < 5.002) | (drawn[5000:] >= 6.998)).all()


def test_a_property_is_scaled_by_its_mean_absolute_deviation():
    scale = Scale.of(np.array([1.0, 2, 6]))
    assert scale == (3, 2)
    assert scale(np.array([7.0])).tolist() == [[2]]
    with pytest.raises(DataError, match="a property that is 2 of every molecule is no condition"):
        Scale.of(np.full(3, 2.0))


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ([1.0, np.nan, 2, 3], "property of molecule 1 is nan"),
        ([1.0, 0, 2, -np.inf], "property of molecule 3 is -inf"),
        ([1.0, 2, 3], "4 molecules have 3 properties"),
    ],
)
def test_properties_that_are_missing_or_not_finite_are_refused(properties, message):
    data = Drawn()
    data.properties_of = lambda split: np.array(properties)
    with pytest.raises(DataError, match=message):
        data.setup()


def test_a_property_that_is_not_finite_is_refused_however_it_was_normalised():
    molecules = ragged(np.full(2, 6), np.zeros((2, 3)), np.array([1, 1]))
    with pytest.raises(DataError, match="molecule 1 has a property that is NaN or infinite"):
        MoleculeDataset(molecules, Layout(("C",), 1, False), torch.tensor([[0.0], [torch.nan]]))


def test_example_has_every_key_of_a_batch():
    data = Drawn()
    data.setup()
    example, batch = data.example(2), data.train_dataset.__getitems__([0, 1])
    assert set(example) == set(batch) - {"index"}
    for key, value in example.items():
        assert (value.shape, value.dtype) == (batch[key].shape, batch[key].dtype)


@pytest.mark.parametrize(
    ("numbers", "sizes", "message"),
    [
        ([6, 54], [2], "molecule 0 has an atom of atomic number 54, and knows H, C"),
        ([6, 200], [2], "an atom of atomic number 200"),
        ([6, 6], [2, 0], "molecule 1 has 0 atoms, and may have 1 to 3"),
        ([6, 6, 6, 6], [4], "molecule 0 has 4 atoms, and may have 1 to 3"),
        ([1, 6], [2], "positions that are NaN or infinite"),
    ],
    ids=["element", "number", "empty", "large", "nan"],
)
def test_molecules_that_cannot_be_used_are_named(numbers, sizes, message):
    positions = np.zeros((len(numbers), 3), np.float32)
    positions[0] = np.nan if "NaN" in message else 0
    dataset = MoleculeDataset(
        ragged(np.array(numbers), positions, np.array(sizes)), Layout(("H", "C"), 3, False)
    )
    with pytest.raises(DataError, match=message):
        dataset.__getitems__(range(len(sizes)))


def test_digests_tell_atoms_layouts_and_properties_apart():
    def digest(number=6, charged=False, property=None, source=None):
        molecules = ragged(np.array([6, number]), np.zeros((2, 3)), np.array([2]))
        return MoleculeDataset(molecules, Layout(("C", "N"), 3, charged), property, source).digest()

    every = [digest(), digest(7), digest(charged=True), digest(property=torch.ones(1, 1))]
    every += [digest(source="a"), digest(source="b")]
    assert len(set(every)) == 6
    assert digest(7, source="a") == digest(source="a")


def test_samples_are_drawn_and_written_valid_or_not(tmp_path, monkeypatch):
    monkeypatch.setattr("data.molecules.base.viewer", lambda: None)
    data = Drawn()
    batch = data.train_dataset.__getitems__(range(4))
    picture = data.show(batch)
    assert picture.shape[0] == 3
    assert 0 <= picture.min() < picture.max() <= 1
    data.save(tmp_path / "samples", data.compact(batch))
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["molecules.sdf", "molecules.smi", "molecules.xyz"]


def test_parts_of_a_batch_are_all_of_it_without_empty_places(monkeypatch):
    monkeypatch.setattr("data.molecules.base.PAIRS", 2 * 7**2)
    data = Drawn()
    batch = data.train_dataset.__getitems__(range(4))
    parts = data.parts(batch)
    assert [part.numbers.shape for part in parts] == [(2, 5), (2, 6)]
    whole = data.atoms(batch)
    for key in range(2):
        assert torch.equal(parts[0][key], whole[key][:2, :5])
        assert torch.equal(parts[1][key], whole[key][2:, :6])
    assert [m.GetNumAtoms() for m in data.molecules(batch)] == SIZES.tolist()
