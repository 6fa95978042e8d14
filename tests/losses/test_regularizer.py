"""Weights that change in the course of training."""

import pytest

from ldm.losses import LinearWeight, Regularizer, weight_at


def test_a_weight_goes_on_a_line_and_stays_at_its_end():
    weight = LinearWeight(4.0, 1.0, until=256)
    assert [weight(seen, 10**6) for seen in (0, 64, 128, 256, 10**6)] == [4, 3.25, 2.5, 1, 1]
    assert weight_at(weight, 64, 5) == Regularizer(print, weight).weight_at(64, 7) == 3.25
    assert weight_at(0.5, 100, 5) == 0.5


@pytest.mark.parametrize("given", [(1.0, 1.0, 0), (-1.0, 1.0, 5), (1.0, -1.0, 5)])
def test_useless_weights_are_refused(given):
    with pytest.raises(ValueError, match="until must be 1 sample or more, and weights 0 or more"):
        LinearWeight(*given)
