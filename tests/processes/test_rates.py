"""Variances against quadrature, and times of density 1/beta against their law."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from ldm.processes.rates import Exponential, Geometric, Linear, Quadratic, Triangle

law = settings(max_examples=30)
positive = st.floats(1e-3, 10)
smooth = st.floats(0.1, 10)  # enough for quadrature of 1/beta
rates = st.one_of(
    *(st.builds(kind, positive, positive) for kind in (Linear, Quadratic, Triangle)),
    st.builds(Geometric, st.floats(1e-3, 0.5), st.floats(0.6, 4)),
)
times = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


def integral(function, first: float, last: float) -> float:
    """Integrate by the Gauss-Legendre rule on both sides of 1/2, the top of triangles."""
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(40))
    total, middle = 0.0, min(max(first, 0.5), last)
    for low, high in ((first, middle), (middle, last)):
        t = low + (high - low) * (nodes + 1) / 2
        total += (weights * function(t)).sum().item() * (high - low) / 2
    return total


def at(function, t: float) -> float:
    return function(torch.tensor([t], dtype=torch.float64)).item()


@law
@given(rate=rates, span=times)
def test_the_variance_gathered_is_the_integral_of_the_rate(rate, span):
    expected = integral(rate.rate, *span)
    found = at(rate.variance, span[1]) - at(rate.variance, span[0])
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rate", [Linear(), Quadratic(), Triangle(), Linear(0.1, 0.0)])
def test_nothing_is_gathered_at_time_0(rate):
    assert at(rate.variance, 0) == 0


def test_geometric_deviations_start_and_end_where_they_are_told():
    rate = Geometric(0.01, 4.0)
    assert at(rate.variance, 0) == pytest.approx(1e-4)
    assert at(rate.variance, 0.5) == pytest.approx(0.04)
    assert at(rate.variance, 1) == pytest.approx(16)


@law
@given(start=st.floats(0, 10), end=positive, t=st.floats(0, 1))
def test_what_remains_of_a_linear_rate_is_the_rest(start, end, t):
    rate = Linear(start, end)
    assert at(rate.variance, t) + at(rate.remaining, t) == pytest.approx(rate.total)
    assert at(rate.variance, 1) == pytest.approx(rate.total)


def test_a_rate_that_falls_to_0_keeps_its_digits_to_the_end():
    # In float32, where s(1) - s(t) would be rounding alone: b (1 - t) and b (1 - t)^2 / 2.
    rate, t = Linear(0.1, 0.0), 1 - torch.logspace(-1, -5, 9)
    left = (1 - t).double()
    assert_close(rate.rate(t).double(), 0.1 * left, rtol=1e-6, atol=0)
    assert_close(rate.remaining(t).double(), 0.05 * left.square(), rtol=1e-6, atol=0)


@law
@given(start=smooth, end=smooth, first=st.floats(0, 0.4), width=st.floats(0.1, 0.6))
def test_the_reciprocal_total_is_an_integral_and_its_quantiles_cut_it(start, end, first, width):
    rate, last = Linear(start, end), first + width
    whole = integral(lambda t: 1 / rate.rate(t), first, last)
    assert rate.reciprocal_total(first, last) == pytest.approx(whole)
    u = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    for share, t in zip(u.tolist(), rate.reciprocal_quantile(u, first, last).tolist(), strict=True):
        part = rate.reciprocal_total(first, t) / rate.reciprocal_total(first, last)
        assert part == pytest.approx(share, abs=1e-9)


def test_late_quantiles_of_a_falling_rate_keep_their_digits_in_float32():
    rate, u = Linear(5.0, 1e-3), 1 - torch.logspace(-1, -6, 2001)
    exact = rate.reciprocal_quantile(u.double(), 0.0, 1.0)
    found = rate.reciprocal_quantile(u, 0.0, 1.0).double()
    # Times near 1 are multiples of 2^-24: each is the nearest one, but for a few near-ties.
    assert (found - exact).abs().max() < 0.55 * 2**-24


@law
@given(value=positive, tilt=st.floats(-1e-12, 1e-12))
def test_an_almost_constant_rate_has_almost_uniform_times(value, tilt):
    rate, u = Linear(value, value * (1 + tilt)), torch.linspace(0, 1, 5, dtype=torch.float64)
    assert_close(rate.reciprocal_quantile(u, 0.1, 0.9), 0.1 + 0.8 * u)
    assert rate.reciprocal_total(0.1, 0.9) == pytest.approx(0.8 / value)


def test_a_rate_that_falls_to_0_draws_times_evenly_in_the_logarithm_of_what_is_left():
    u = torch.rand(4000, generator=torch.Generator().manual_seed(0))
    t = Linear(0.1, 0.0).reciprocal_quantile(u, 1e-4, 1 - 1e-4)
    logs = np.sort((1 - t).double().log().numpy())
    low, high = np.log(1e-4), np.log(1 - 1e-4)
    gap = np.abs((logs - low) / (high - low) - (np.arange(4000) + 0.5) / 4000).max()
    assert gap < 1.95 / 4000**0.5  # Kolmogorov's distance exceeds it once in a thousand


@pytest.mark.parametrize("make", [Linear, Quadratic, Triangle])
def test_rates_below_0_are_refused(make):
    with pytest.raises(ValueError, match="0 or more, and not both 0, got -1 and 2"):
        make(-1, 2)
    with pytest.raises(ValueError, match="not both 0"):
        make(0.0, 0.0)


def test_deviations_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="rise from above 0, got 2 to 1"):
        Geometric(2, 1)


def test_an_exponential_rate_and_what_remains_of_it():
    rate, t = Exponential(scale=2.0, speed=3.0), torch.linspace(0, 1, 7, dtype=torch.float64)
    assert rate.total == pytest.approx(2 * (1 - np.exp(-3)))
    assert torch.allclose(rate.variance(t) + rate.remaining(t), torch.full_like(t, rate.total))
    steep = torch.autograd.functional.jacobian(lambda t: rate.variance(t).sum(), t)
    assert torch.allclose(steep, rate.rate(t))
    with pytest.raises(ValueError, match="above 0"):
        Exponential(0.0)
