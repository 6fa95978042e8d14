"""How labels are dropped, and what is said when there are none."""

import pytest
import torch

from ldm.priors import LabelDropout
from ldm.randomness import sample_generators

LABELS = {"label": torch.arange(10).repeat(2000)}


def test_labels_become_null_at_the_rate():
    dropped = LabelDropout(10, rate=0.1).drop(LABELS, torch.Generator().manual_seed(0))["label"]
    null = dropped == 10
    # Binomial: a deviation of sqrt(20000 * 0.1 * 0.9) = 42.
    assert null.sum().item() == pytest.approx(2000, abs=4 * 42)
    assert torch.equal(dropped[~null], LABELS["label"][~null])


@pytest.mark.parametrize(("rate", "count"), [(0.0, 0), (1.0, 20_000)])
def test_rates_zero_and_one_are_certain(rate, count):
    dropped = LabelDropout(10, rate).drop(LABELS, torch.Generator().manual_seed(1))["label"]
    assert (dropped == 10).sum() == count


def test_null_replaces_all_and_keeps_the_given_labels_as_they_are():
    given = {"label": torch.tensor([3, 4])}
    assert LabelDropout(10).null(given)["label"].tolist() == [10, 10]
    assert given["label"].tolist() == [3, 4]


def test_whether_a_label_is_dropped_is_a_samples_own_matter():
    dropout = LabelDropout(10, rate=0.5)

    def drop(indices):
        labels = {"label": torch.tensor(indices) % 10}
        return dropout.drop(labels, sample_generators(0, indices))["label"]

    parts = torch.cat([drop([0, 1, 2]), drop([3]), drop([4, 5, 6, 7])])
    assert torch.equal(drop(list(range(8))), parts)
    assert 0 < (parts == 10).sum() < 8


def test_only_what_the_backbone_reads_is_kept():
    label = torch.tensor([1])
    assert LabelDropout(10).keep({"label": label, "mask": label}) == {"label": label}


def test_a_batch_without_labels_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"batch has no label: .* set prior\.conditioning=null"):
        LabelDropout(10).keep({"mask": torch.tensor([1])})
