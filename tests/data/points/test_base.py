"""Points in memory: published split sizes, batches, and saved samples."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data import DataError, Earth, PointDataset
from data.points.base import SplitPoints, split_sizes


class Line(SplitPoints):
    """Consecutive numbers from 0."""

    name, shape = "line", (1,)

    def read(self):
        return torch.arange(50.0).unsqueeze(1)

    def drawing(self, data, samples):
        return torch.stack(
            [torch.zeros(3, 4), torch.ones(3, 4), torch.full((3, 4), len(samples) / 9)]
        )


PUBLISHED = [
    ("rsgm", 827, (661, 82, 84)),
    ("rsgm", 4875, (3900, 487, 488)),
    ("rsgm", 12809, (10247, 1280, 1282)),
    ("srd", 827, (744, 41, 42)),
    ("rfm", 827, (663, 82, 82)),
    ("rfm", 6120, (4896, 612, 612)),
    ("rfm", 4875, (3901, 487, 487)),
    ("rfm", 12809, (10249, 1280, 1280)),
    ("rfm", 9478, (7584, 947, 947)),
    ("huang", 9478, (7582, 948, 948)),
    ("huang", 138208, (110566, 13821, 13821)),
    ("huang", 13283, (10626, 1328, 1329)),
    ("huang", 7634, (6107, 763, 764)),
    ("huang", 6910, (5528, 691, 691)),
]


@pytest.mark.parametrize(("split", "n", "expected"), PUBLISHED)
def test_splits_have_the_published_sizes(split, n, expected):
    assert split_sizes(n, split) == expected


@given(n=st.integers(0, 10**6))
def test_split_sizes_are_fractions_rounded_down(n):
    assert split_sizes(n, "rsgm")[:2] == (int(0.8 * n), int(0.1 * n))


@given(seed=st.integers(0, 2**32), split=st.sampled_from(["rsgm", "rfm", "huang", "srd"]))
def test_each_point_is_in_exactly_one_split(seed, split):
    data = Line(split=split, split_seed=seed)
    parts = [data.train_dataset, data.val_dataset, data.test_dataset]
    assert sorted(torch.cat([part.points for part in parts]).flatten().tolist()) == list(range(50))


def test_the_split_depends_on_its_seed_only():
    def test(**options):
        return Line(**options).test_dataset.points

    assert torch.equal(test(seed=1), test(seed=2))
    assert not torch.equal(test(split_seed=1), test(split_seed=2))
    assert Line(split_seed=1).fingerprint != Line(split_seed=2).fingerprint


def test_batches_of_the_three_splits_have_their_points():
    data = Line()
    for split, size in (("train", 40), ("val", 5), ("test", 5)):
        batches = list(data.ordered_batches(split, 3))
        assert torch.cat([b["index"] for b in batches]).tolist() == list(range(size))
        assert set(batches[0]) == {"x", "index"}
    epoch = torch.cat([batch["x"] for batch in data.train_batches(0, 40, 0, 1, 8)])
    assert torch.equal(epoch.sort(0).values, data.train_dataset.points.sort(0).values)


def test_batches_have_labels_if_there_are_classes():
    data = PointDataset(torch.eye(3), torch.tensor([5, 6, 7]))
    assert data[1]["label"] == 6
    assert data.digest() != PointDataset(torch.eye(3), torch.tensor([5, 6, 8])).digest()


def test_samples_are_saved_as_arrays(tmp_path):
    x, label = torch.randn(9, 1), torch.arange(9)
    Line().save(tmp_path / "new", {"x": x, "label": label})
    assert np.array_equal(np.load(tmp_path / "new" / "samples.npy"), x.numpy())
    assert np.array_equal(np.load(tmp_path / "new" / "labels.npy"), label.numpy())
    Line().save(tmp_path / "bare", {"x": x})
    assert [path.name for path in (tmp_path / "bare").iterdir()] == ["samples.npy"]


def test_an_unknown_split_is_refused():
    with pytest.raises(DataError, match="'rsgm', 'rfm', 'huang' or 'srd', got 'moser'"):
        Earth("fire", split="moser")


def test_too_few_points_for_a_split_are_refused():
    class Few(Line):
        def read(self):
            return torch.arange(7.0).unsqueeze(1)

    with pytest.raises(DataError, match="7 points of line are too few for split=rfm"):
        Few(split="rfm").load("val")
