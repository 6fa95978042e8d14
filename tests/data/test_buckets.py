"""Batches of similar sizes: still permutations, functions of seed and position, shared by ranks."""

import numpy as np
import pytest

from data.buckets import BucketOrder
from data.files.errors import DataError
from data.order import SampleOrder

SIZES = np.random.default_rng(0).integers(1, 100, 50)


def batches(start=0, stop=400, **options):
    options = {"batch_size": 4, "seed": 0, "window": 5, **options}
    return list(BucketOrder(SIZES, start=start, stop=stop, **options))


def test_each_window_has_the_draws_of_the_plain_order():
    plain = list(SampleOrder(len(SIZES), 4, 0, stop=400))
    for first in range(0, 100, 5):
        found = [draw for batch in batches()[first : first + 5] for draw in batch]
        assert sorted(found) == sorted(draw for batch in plain[first : first + 5] for draw in batch)


def test_each_epoch_is_a_permutation():
    drawn = [draw.index for batch in batches(window=25) for draw in batch]
    for epoch in range(0, 400, 100):  # 25 batches of 4 are two epochs of 50
        assert sorted(drawn[epoch : epoch + 100]) == sorted([*range(50), *range(50)])


def test_batches_have_similar_sizes_in_no_order_of_size():
    spread = [np.ptp(SIZES[[draw.index for draw in batch]]) for batch in batches(window=25)]
    plain = SampleOrder(len(SIZES), 4, 0, stop=400)
    assert np.mean(spread) < np.mean([np.ptp(SIZES[[d.index for d in b]]) for b in plain]) / 3
    means = [SIZES[[draw.index for draw in batch]].mean() for batch in batches(window=25)[:25]]
    assert means not in (sorted(means), sorted(means)[::-1])


@pytest.mark.parametrize("start", [0, 4, 36, 200])
def test_a_later_start_gives_the_batches_that_would_have_come(start):
    assert batches(start=start) == batches()[start // 4 :]


def test_an_earlier_stop_changes_nothing_before_it():
    assert batches(stop=42) == batches()[:11]
    assert len(BucketOrder(SIZES, 4, 0, stop=42)) == 11


def test_ranks_share_the_batches_of_one():
    shares = [batches(rank=rank, world=2) for rank in range(2)]
    assert [a + b for a, b in zip(*shares, strict=True)] == batches()


def test_a_window_without_batches_is_refused():
    with pytest.raises(DataError, match="window must be 1 batch or more, got 0"):
        batches(window=0)
