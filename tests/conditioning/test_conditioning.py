"""Dropping of labels, and the error where there are none."""

import pytest
import torch

from ldm.conditioning import Array, Conditioning, Labels
from ldm.randomness import sample_generators

LABELS = {"label": torch.arange(10).repeat(2000)}


def test_labels_become_null_at_the_rate():
    dropped = Conditioning(label=Labels(10, 0.1)).drop(LABELS, torch.Generator().manual_seed(0))[
        "label"
    ]
    null = dropped == 10
    # Binomial: a deviation of sqrt(20000 * 0.1 * 0.9) = 42.
    assert null.sum().item() == pytest.approx(2000, abs=4 * 42)
    assert torch.equal(dropped[~null], LABELS["label"][~null])


@pytest.mark.parametrize(("rate", "count"), [(0.0, 0), (1.0, 20_000)])
def test_rates_zero_and_one_are_certain(rate, count):
    dropped = Conditioning(label=Labels(10, rate)).drop(LABELS, torch.Generator().manual_seed(1))[
        "label"
    ]
    assert (dropped == 10).sum() == count


def test_null_replaces_all_and_keeps_the_given_labels_as_they_are():
    given = {"label": torch.tensor([3, 4])}
    assert Conditioning(label=Labels(10)).null(given)["label"].tolist() == [10, 10]
    assert given["label"].tolist() == [3, 4]


def test_whether_a_label_is_dropped_is_a_samples_own_matter():
    dropout = Conditioning(label=Labels(10, 0.5))

    def drop(indices):
        labels = {"label": torch.tensor(indices) % 10}
        return dropout.drop(labels, sample_generators(0, indices))["label"]

    parts = torch.cat([drop([0, 1, 2]), drop([3]), drop([4, 5, 6, 7])])
    assert torch.equal(drop(list(range(8))), parts)
    assert 0 < (parts == 10).sum() < 8


def test_what_says_what_samples_are_always_passes_and_is_never_dropped():
    told = Conditioning(label=Labels(10, rate=1.0))
    batch = {"x": torch.ones(2), "label": torch.tensor([1, 2]), "mask": torch.ones(2, 3).bool()}
    read = told.read(batch)
    assert read.keys() == {"label", "mask"}
    for found in (told.drop(read), told.null(read)):
        assert torch.equal(found["mask"], batch["mask"])
        assert found["label"].tolist() == [10, 10]


def test_without_conditions_only_what_always_passes_is_read():
    batch = {"label": torch.tensor([1]), "mask": torch.ones(1, 3).bool()}
    assert Conditioning().read(batch).keys() == {"mask"}
    assert Conditioning(always=()).read(batch) == {}
    assert not Conditioning().active


def test_each_condition_has_its_own_rate_and_null():
    told = Conditioning(label=Labels(4, rate=1.0), image=Array([2, 2], rate=0.0))
    given = {"label": torch.tensor([1, 2]), "image": torch.ones(2, 2, 2)}
    for found in (told.drop(given), told.null(given)):  # guidance keeps what training always gave
        assert found["label"].tolist() == [4, 4]
        assert torch.equal(found["image"], given["image"])
    lost = Conditioning(image=Array([2, 2], rate=0.5)).drop(given, torch.Generator().manual_seed(1))
    assert all(image.max() == image.min() for image in lost["image"])


def test_examples_are_what_a_batch_holds():
    found = Conditioning(label=Labels(4), image=Array([2, 3])).example(6)
    assert found["label"].tolist() == [0, 1, 2, 3, 0, 1]
    assert found["image"].shape == (6, 2, 3)


def test_a_batch_without_a_condition_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"batch has no label: .* set prior\.conditioning=null"):
        Conditioning(label=Labels(10)).read({"mask": torch.tensor([1])})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Labels(0), "labels need 1 class or more"),
        (lambda: Labels(3, rate=1.5), r"at a rate in \[0, 1\], got 1.5"),
    ],
)
def test_conditions_of_no_use_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
