"""The torus of angles against that of circles, and the seams of its chart."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.testing import assert_close

from ldm.spaces import Power, Sphere, Torus


def on_circles(angles: torch.Tensor) -> torch.Tensor:
    return torch.stack([angles.cos(), angles.sin()], -1).flatten(1)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_it_is_the_product_of_circles(seed):
    torus, circles = Torus(3), Power(Sphere(1), 3)
    generator = torch.Generator().manual_seed(seed)
    x, y = (torus.random(4, generator, dtype=torch.float64) for _ in range(2))
    assert_close(torus.distance(x, y), circles.distance(on_circles(x), on_circles(y)))
    v = 5 * torch.randn(4, 3, generator=generator, dtype=torch.float64)
    along = v.repeat_interleave(2, 1) * on_circles(x + math.pi / 2)
    assert_close(on_circles(torus.exp(x, v)), circles.exp(on_circles(x), along))
    assert torus.log_volume == pytest.approx(circles.log_volume, rel=1e-14)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_angles_just_below_zero_stay_within_the_chart(dtype):
    x = torch.tensor([[-1e-20, -0.0, 2 * math.pi, -2 * math.pi, 13.0, -1e-3]], dtype=dtype)
    projected = Torus(6).project(x)
    assert (projected >= 0).all()
    assert (projected < 2 * math.pi).all()
    assert_close(on_circles(projected), on_circles(x), atol=0.02, rtol=0)
    one = torch.ones_like(x, requires_grad=True)
    Torus(6).project(one * x).sum().backward()
    assert_close(one.grad, x)  # a wrap moves nothing


def test_the_short_way_leads_over_zero():
    x, y = torch.tensor([[0.1, 3.0]]), torch.tensor([[2 * math.pi - 0.1, 3.5]])
    assert_close(Torus(2).log(x, y), torch.tensor([[-0.2, 0.5]]))


def test_random_angles_are_uniform():
    x = Torus(2).random(5000, torch.Generator().manual_seed(0))
    for angle in x.unbind(1):
        assert stats.kstest(angle.numpy(), stats.uniform(0, 2 * math.pi).cdf).pvalue > 0.01


def test_degrees_are_refused_and_angles_of_either_sign_are_not():
    Torus(2).check(torch.tensor([[-3.0, 6.2]]))
    with pytest.raises(ValueError, match=r"got 120: they look like degrees; pass radians"):
        Torus(2).check(torch.tensor([[-120.0, 6.2]]))


def test_no_angles_are_refused():
    with pytest.raises(ValueError, match="dimension of 1 or more, got 0"):
        Torus(0)
