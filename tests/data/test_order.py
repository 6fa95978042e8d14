"""Properties of the sample order for all lengths, batch sizes, ranks and restarts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files.errors import DataError
from data.order import Draw, SampleOrder, mix, permutation

lengths, batches, seeds = st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**31)


@given(length=lengths, batch=batches, seed=seeds, epochs=st.integers(1, 4))
def test_every_epoch_contains_each_sample_once(length, batch, seed, epochs):
    order = SampleOrder(length, batch, seed, stop=epochs * length)
    indices = [draw.index for part in order for draw in part]
    for epoch in range(epochs):
        part = indices[epoch * length : (epoch + 1) * length]
        assert sorted(part) == list(range(length))


@given(length=lengths, batch=batches, seed=seeds, steps=st.integers(1, 9), data=st.data())
def test_a_restarted_order_is_the_tail_of_the_uninterrupted_one(length, batch, seed, steps, data):
    stop = steps * batch
    seen = data.draw(st.integers(0, steps))
    whole = list(SampleOrder(length, batch, seed, stop=stop))
    tail = list(SampleOrder(length, batch, seed, start=seen * batch, stop=stop))
    assert tail == whole[seen:]


@given(length=lengths, share=st.integers(1, 9), world=st.integers(1, 5), seed=seeds)
def test_the_parts_of_all_ranks_form_the_batch_of_a_single_rank(length, share, world, seed):
    batch = share * world
    one = list(SampleOrder(length, batch, seed, stop=3 * batch))
    parts = [
        list(SampleOrder(length, batch, seed, stop=3 * batch, rank=rank, world=world))
        for rank in range(world)
    ]
    joined = [[draw for part in step for draw in part] for step in zip(*parts, strict=True)]
    assert joined == one


@given(start=st.integers(0, 60), more=st.integers(0, 60), share=batches, world=st.integers(1, 3))
def test_the_length_is_the_number_of_batches_that_begin_before_stop(start, more, share, world):
    batch = share * world
    order = SampleOrder(7, batch, 0, start=start, stop=start + more, world=world)
    parts = list(order)
    assert len(parts) == len(order) == len(range(start, start + more, batch))
    assert all(len(part) == share for part in parts)


def test_different_seeds_and_epochs_have_different_orders():
    def indices(seed):
        return [draw.index for part in SampleOrder(100, 100, seed, stop=200) for draw in part]

    first, second = indices(0), indices(1)
    assert first[:100] != first[100:]
    assert first[:100] != second[:100]


def test_repeated_samples_have_different_draw_seeds():
    draws = [draw for part in SampleOrder(5, 10, 0, stop=5000) for draw in part]
    assert len({draw.seed for draw in draws}) == len(draws)


def test_the_order_is_the_same_on_every_machine_and_version():
    # A change here silently breaks resumed runs and shared seeds.
    assert next(iter(SampleOrder(5, 3, 0, stop=3))) == [
        Draw(0, 2482289063980384216),
        Draw(1, 2533777038635110281),
        Draw(4, 3384391416029321617),
    ]


def test_permutations_are_uniform_in_every_position():
    places = np.zeros((4, 4))
    for epoch in range(4000):
        places[np.arange(4), permutation(4, 3, epoch)] += 1
    # Counts are binomial(4000, 1/4), standard deviation 27.4; the tolerance is five of them.
    assert np.abs(places - 1000).max() < 137


def test_hashes_agree_with_splitmix64():
    # The reference sequence of SplitMix64 for seed 0, whose states are multiples of golden gamma.
    assert mix(0)[0] == 0xE220A8397B1DCDAF
    assert mix(0x9E3779B97F4A7C15)[0] == 0x6E789E6AA1B965F4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 10, "world": 4}, "multiple of 4"),
        ({"batch_size": 4, "rank": 2, "world": 2}, r"rank must be in \[0, 2\), got 2"),
        ({"batch_size": 4, "length": 0}, "empty"),
        ({"batch_size": 4, "start": 9}, r"\[0, stop=8\], got 9"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        SampleOrder(**{"length": 5, "seed": 0, "stop": 8} | arguments)
