"""The adaptive limit of gradient norms against its definition."""

import numpy as np
import pytest

from ldm.training import AdaptiveClip


def test_the_limit_is_that_of_the_norms_that_were_let_through():
    clip, kept = AdaptiveClip(length=4, start=10.0), [10.0]
    for norm in (1.0, 100.0, 3.0, 5.0, 2.0, 50.0):
        limit = 1.5 * np.mean(kept) + 2 * np.std(kept)
        assert clip(norm) == pytest.approx(limit)
        kept = [*kept, min(norm, limit)][-4:]
        assert clip.norms == pytest.approx(kept)


@pytest.mark.parametrize("wrong", [{"factor": 0}, {"start": 0.0}, {"length": 0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="an adaptive clip needs"):
        AdaptiveClip(**wrong)
