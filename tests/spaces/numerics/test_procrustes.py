"""Nearest rotations against LAPACK's singular value decomposition, on matrices of many kinds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from ldm.spaces import Rotations
from ldm.spaces.numerics.procrustes import nearest_rotation

N = 200
KINDS = {
    "near a rotation": ([1, 1, 1], 0.1),
    "within rounding of one": ([1, 1, 1], 1e-15),
    "near a reflection": ([1, 0.9, -1], 0.1),
    "graded": ([1, 1e-5, 1e-10], 0),
    "graded, by reflection": ([1, 1e-5, -1e-10], 0),
    "of rank two": ([1, 0.5, 0], 0),
    "of rank one": ([1, 0, 0], 0),
    "with many nearest": ([1, 0.3, -0.3], 0),
    "an exact reflection": ([-1, -1, -1], 0),
}


def matrices(values: list[float], noise: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    u, v = (Rotations().random(N, generator, dtype=torch.float64) for _ in range(2))
    more = noise * torch.randn(N, 3, 3, generator=generator, dtype=torch.float64)
    return u @ torch.tensor(values, dtype=torch.float64).diag() @ v + more


def check(m: torch.Tensor) -> None:
    r = nearest_rotation(m)
    one = torch.eye(3, dtype=torch.float64).expand_as(m)
    assert_close(r.mT @ r, one, atol=1e-14, rtol=0)
    assert_close(torch.linalg.det(r), torch.ones(len(m), dtype=torch.float64))
    u, values, vh = torch.linalg.svd(m)
    sign = torch.linalg.det(u @ vh)
    best = values[:, 0] + values[:, 1] + sign * values[:, 2]
    assert_close((r * m).sum((1, 2)) / values[:, 0], best / values[:, 0], atol=1e-14, rtol=0)
    # Rounding errors are amplified by the inverse gap to the next best rotation.
    gap = (values[:, 1] + sign * values[:, 2]) / values[:, 0]
    kabsch = u @ torch.diag_embed(torch.stack([sign**0, sign**0, sign], 1)) @ vh
    assert ((r - kabsch).abs().amax((1, 2)) * gap < 1e-13).all()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), exponent=st.integers(-150, 150))
def test_the_result_is_the_kabsch_rotation_at_every_scale(kind, seed, exponent):
    check(10.0**exponent * matrices(*KINDS[kind], seed))


def test_all_sign_patterns_and_random_matrices_give_the_kabsch_rotation():
    signs = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    every = torch.cartesian_prod(*[signs] * 9).view(-1, 3, 3)  # 19,683 matrices
    every = every[every.abs().sum((1, 2)) > 0]
    check(every)
    check(torch.randn(20_000, 3, 3, generator=torch.Generator().manual_seed(0)).double())


def test_the_zero_matrix_gives_the_identity():
    zero = torch.zeros(1, 3, 3, dtype=torch.float64)
    assert torch.equal(nearest_rotation(zero)[0], torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_matrices_with_non_finite_entries_give_nan(value):
    m = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    m[0, 1, 2] = value
    r = nearest_rotation(m)
    assert r[0].isnan().all()
    assert_close(r[1], m[1])
