"""Learning-rate factors against their closed forms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldm.training import Constant, Cosine, Exponential, LateDecay


def test_without_warm_up_a_constant_rate_is_full_from_the_start():
    assert Constant()(0, 100) == Constant()(100, 100) == 1


@pytest.mark.parametrize(("seen", "factor"), [(0, 0), (25, 0.5), (50, 1), (80, 1)])
def test_warm_up_is_linear(seen, factor):
    assert Constant(warmup=50)(seen, 100) == factor


@pytest.mark.parametrize(
    ("seen", "factor"),
    [(10, 0.5), (20, 1), (40, 0.1 + 0.9 * (2 + math.sqrt(2)) / 4), (60, 0.55), (100, 0.1)],
)
def test_after_its_warm_up_a_cosine_falls_to_its_final_share(seen, factor):
    assert Cosine(warmup=20, final=0.1)(seen, 100) == pytest.approx(factor)


@given(st.integers(0, 50), st.floats(0, 1), st.integers(1, 300))
def test_a_cosine_never_rises_after_warm_up_and_stays_at_its_end(warmup, final, seen):
    schedule, total = Cosine(warmup, final), 100
    here, later = (schedule(warmup + s, total) for s in (seen, seen + 1))
    assert final - 1e-12 <= later <= here + 1e-12 <= 1 + 2e-12
    assert schedule(total + 50, total) == pytest.approx(final)


def test_an_exponential_rate_falls_by_a_factor_at_every_epoch():
    schedule = Exponential(every=10, factor=0.5, warmup=4)
    assert [schedule(seen, 100) for seen in (2, 9, 10, 25)] == [0.5, 1, 0.5, 0.25]
    for every, factor in ((0, 0.5), (1, 0.0), (1, 1.5)):
        with pytest.raises(ValueError, match="1 sample or more"):
            Exponential(every, factor)


def test_a_late_decay_is_a_line_from_its_beginning_to_its_final_share():
    schedule = LateDecay(begin=60, final=0.1, warmup=10)
    found = [schedule(seen, 100) for seen in (5, 10, 60, 70, 100, 120)]
    assert found == pytest.approx([0.5, 1.0, 1.0, 0.775, 0.1, 0.1])
    assert LateDecay(begin=200)(150, 100) == 1.0
    with pytest.raises(ValueError, match="0 or more, got -1 and 0"):
        LateDecay(begin=-1, final=0)
