"""Similarities of sets of molecules against counts by hand."""

import numpy as np
import pytest

from eval.metrics.molecules import frequency_cosine, nearest_similarity


def test_cosines_are_of_frequencies_whatever_the_sizes_of_the_sets():
    assert frequency_cosine(["a", "b", "b"], ["b", "a", "b"] * 4) == pytest.approx(1)
    assert frequency_cosine(["a"], ["b"]) == 0
    assert frequency_cosine("aab", "abbb") == pytest.approx((2 * 1 + 1 * 3) / (5 * 10) ** 0.5)
    assert frequency_cosine([], ["a"]) is frequency_cosine(["a"], []) is None


def test_the_nearest_neighbour_is_the_most_similar_by_brute_force(monkeypatch):
    monkeypatch.setattr("eval.metrics.molecules.similarity.ROWS", 3)
    draw = np.random.default_rng(0)
    one, other = (draw.random((n, 20)) < 0.3 for n in (7, 5))
    one[0] = other[0] = False  # no bits, and so nothing in common
    best = [max((a & b).sum() / max((a | b).sum(), 1) for b in other) for a in one]
    assert nearest_similarity(one, other) == pytest.approx(np.mean(best))
    assert nearest_similarity(other[1:], other) == 1
