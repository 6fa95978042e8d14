"""Every search gives the first of the nearest codes in float64, whatever the numbers."""

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm.bottlenecks.nearest import block_search, nearest, rings, sorted_search, tree_search


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def brute_force(queries, codes):
    return (queries.double()[:, None] - codes.double()).square().sum(2).argmin(1)


@pytest.mark.parametrize("d", [1, 2, 3, 7, 16, 64])
@pytest.mark.parametrize("v", [1, 2, 127, 128, 129, 1500])
def test_equals_brute_force_for_scattered_codes(d, v):
    queries, codes = normal(1100, d, seed=0), normal(v, d, seed=1)
    torch.testing.assert_close(nearest(queries, codes), brute_force(queries, codes))


def test_one_thread_decides_part_by_part_as_many_do_at_once(monkeypatch):
    queries, codes = normal(700, 8, seed=0), normal(300, 8, seed=1)
    threads = torch.get_num_threads()
    monkeypatch.setattr(sys.modules[nearest.__module__], "DECIDED", 5000)  # four pairs a part
    torch.set_num_threads(1)
    try:
        found = nearest(queries, codes)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found, brute_force(queries, codes))


@st.composite
def lattices(draw):
    """Small whole numbers: most distances tie, and codes repeat."""
    d, n, v = draw(st.integers(1, 8)), draw(st.integers(1, 20)), draw(st.integers(1, 300))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    width = draw(st.integers(0, 3))
    points = torch.randint(-width, width + 1, (n + v, d), generator=generator) / 2
    return points[:n], points[n:]


@settings(deadline=None, max_examples=150)
@given(lattices())
def test_ties_go_to_the_lowest_index_in_every_search(points):
    queries, codes = (x.double() for x in points)
    expected = brute_force(queries, codes)
    assert torch.equal(nearest(queries, codes), expected)
    assert torch.equal(block_search(queries, codes), expected)
    assert torch.equal(tree_search(queries, codes), expected)
    if codes.shape[1] == 1:
        assert torch.equal(sorted_search(queries, codes), expected)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 8), st.integers(0, 2**32), st.floats(-12, 12), st.floats(-6, 6), st.floats(-6, 6)
)
def test_equals_brute_force_at_any_scale_and_offset(d, seed, codes_scale, scale, offset):
    # Far offsets and crowded codes leave float32 products few digits: they must not decide.
    codes = normal(200, d, seed=seed) * 10**codes_scale + 10**offset
    queries = normal(30, d, seed=seed + 1) * 10**scale + 10**offset
    expected = brute_force(queries, codes)
    assert torch.equal(nearest(queries, codes), expected)
    assert torch.equal(block_search(queries.double(), codes.double()), expected)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 200), st.integers(0, 2**32), st.floats(-3, 3), st.booleans())
def test_codes_on_a_circle_are_searched_by_their_angles(v, seed, scale, repeated):
    circle = torch.nn.functional.normalize(normal(v, 2, seed=seed), dim=1)  # round to float32
    circle = torch.cat([circle, circle.flip(0), -circle]) if repeated else circle
    queries = normal(30, 2, seed=seed + 1) * 10**scale
    queries[0] = 0  # as far from all of them, but for their rounding
    queries[1] = circle[v // 2]
    queries[2:4] = torch.tensor([[-1.0, 1e-9], [-1.0, -1e-9]])  # where angles begin and end
    for codes in (circle, 1e3 * circle):
        rings.clear()
        assert torch.equal(nearest(queries, codes), brute_force(queries, codes))
        assert len(rings) == 1
        assert torch.equal(nearest(queries, codes), brute_force(queries, codes))


def test_queries_near_more_codes_of_a_ring_than_are_compared_are_searched_in_blocks():
    codes = torch.nn.functional.normalize(normal(3000, 2, seed=0), dim=1)
    queries = torch.cat([torch.zeros(1, 2), 1e-7 * normal(20, 2, seed=1), normal(20, 2, seed=2)])
    assert torch.equal(nearest(queries, codes), brute_force(queries, codes))


@pytest.mark.parametrize("d", [1, 2, 4, 16])
def test_a_float32_full_matrix_would_be_wrong_where_this_is_right(d):
    codes = 100 + 1e-3 * normal(2000, d, seed=2)
    queries = 100 + 1e-3 * normal(50, d, seed=3)
    expected = brute_force(queries, codes)
    matrix = queries.square().sum(1, keepdim=True) + codes.square().sum(1) - 2 * queries @ codes.T
    assert not torch.equal(matrix.argmin(1), expected)
    assert torch.equal(nearest(queries, codes), expected)


def test_stays_exact_under_reduced_precision():
    queries, codes = normal(300, 32, seed=4), normal(3000, 32, seed=5)
    expected = brute_force(queries, codes)
    before = torch.get_float32_matmul_precision()
    try:
        for precision in ("highest", "high", "medium"):
            torch.set_float32_matmul_precision(precision)
            with torch.autocast("cpu", torch.bfloat16):
                assert torch.equal(nearest(queries, codes), expected)
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("d", [2, 8])
def test_follows_a_codebook_that_changes_in_place(d):
    queries, codes = normal(50, d, seed=6), normal(300, d, seed=7)
    nearest(queries, codes)
    codes.copy_(codes.flip(0).clone())
    torch.testing.assert_close(nearest(queries, codes), brute_force(queries, codes))


@pytest.mark.parametrize("d", [1, 2, 8])
def test_numbers_that_are_not_finite_count_as_zero(d):
    queries, codes = normal(3, d, seed=8), normal(200, d, seed=9)
    bad = queries.clone()
    queries[:, 0] = 0
    bad[:, 0] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    torch.testing.assert_close(nearest(bad, codes), brute_force(queries, codes))


@pytest.mark.parametrize("d", [2, 8])
def test_scores_beyond_float32_rule_nothing_out(d):
    queries, codes = 1e30 * normal(20, d, seed=10), 1e30 * normal(300, d, seed=11)
    torch.testing.assert_close(nearest(queries, codes), brute_force(queries, codes))


def test_works_within_compiled_functions_and_without_gradients():
    codes = normal(64, 4, seed=12).requires_grad_()
    queries = normal(9, 4, seed=13).requires_grad_()
    compiled = torch.compile(lambda q, c: nearest(2 * q, c) + 1, backend="eager")
    assert torch.equal(compiled(queries, codes), brute_force(2 * queries, codes) + 1)


def test_has_shapes_without_values_on_the_meta_device():
    found = nearest(torch.empty(5, 3, device="meta"), torch.empty(7, 3, device="meta"))
    assert found.shape == (5,)
    assert found.dtype == torch.int64


@pytest.mark.parametrize("d", [1, 2, 8])
def test_no_queries_have_no_codes(d):
    assert nearest(torch.zeros(0, d), torch.zeros(4, d)).shape == (0,)


def test_an_empty_codebook_is_refused():
    with pytest.raises(ValueError, match="5 queries need at least one code"):
        nearest(torch.zeros(5, 3), torch.zeros(0, 3))
