"""The heat kernel of SO(3) against its two series, and moments of its samples."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import Rotations

space, kernel = Rotations(), Rotations().heat_kernel


def turned(angles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Build origins, and points at the given angles from them."""
    generator = torch.Generator().manual_seed(0)
    origin = space.random(len(angles), generator, dtype=torch.float64)
    v = space.random_tangent(origin, generator)
    v = v * (angles / space.inner(origin, v, v).sqrt())[:, None, None]
    return origin, space.exp(origin, v)


def characters(angle: torch.Tensor, s: float) -> torch.Tensor:
    terms = [
        (2 * n + 1) * math.exp(-n * (n + 1) * s / 2) * ((2 * n + 1) * angle / 2).sin()
        for n in range(60)
    ]
    return sum(terms) / (angle / 2).sin() / (8 * math.pi**2)


def images(angle: torch.Tensor, s: float) -> torch.Tensor:
    shifted = [(angle + 2 * math.pi * k) / 2 for k in range(-8, 9)]
    terms = [a / a.sin() * (-2 * a.square() / s).exp() for a in shifted]
    return math.exp(s / 8) * (2 * math.pi * s) ** -1.5 * sum(terms)


@pytest.mark.parametrize(
    ("deviation", "angles", "published"),
    [
        (0.5, [0.2, 0.5, 1.0, 2.0], [0.484588, 0.321202, 0.073969, 0.000209]),
        (1.0, [0.2, 0.5, 1.0, 2.0, 3.0], [0.070641, 0.064160, 0.045512, 0.011590, 0.001742]),
    ],
)
def test_densities_agree_with_tabulated_values(deviation, angles, published):
    origin, x = turned(torch.tensor(angles, dtype=torch.float64))
    s = torch.full_like(x[:, 0, 0], deviation**2)
    expected = torch.tensor(published, dtype=torch.float64)
    assert_close(kernel.log_density(x, origin, s).exp(), expected, atol=6e-7, rtol=0)


@pytest.mark.parametrize(("s", "series"), [(0.1, images), (1.0, images), (1.0, characters)])
def test_densities_agree_with_both_series(s, series):
    angle = torch.linspace(1e-3, math.pi - 1e-3, 50, dtype=torch.float64)
    origin, x = turned(angle)
    density = kernel.log_density(x, origin, torch.full_like(angle, s))
    assert_close(density, series(angle, s).log(), atol=1e-10, rtol=0)


@pytest.mark.parametrize("s", [4.0, 30.0])
def test_densities_at_large_variance_agree_with_characters(s):
    angle = torch.linspace(1e-3, math.pi - 1e-3, 50, dtype=torch.float64)
    origin, x = turned(angle)
    density = kernel.log_density(x, origin, torch.full_like(angle, s))
    assert_close(density, characters(angle, s).log(), atol=1e-11, rtol=0)


@pytest.mark.parametrize("s", [1e-6, 1e-2, 1.0, 10.0])
def test_the_score_is_the_derivative_of_the_log_density(s):
    angle = torch.linspace(0, math.pi, 30, dtype=torch.float64)
    origin, x = turned(angle)
    s = torch.full_like(angle, s)
    score = kernel.score(x, origin, s)
    assert_close(space.tangent(x, score), score)
    u, h = space.random_tangent(x, torch.Generator().manual_seed(1)), 1e-6 * s[0].sqrt().item()
    density = [kernel.log_density(space.exp(x, t * u), origin, s) for t in (h, -h)]
    slope = (density[0] - density[1]) / (2 * h)
    scale = space.inner(x, score, score).sqrt().max().item()
    # At angle pi and small s the score changes sign within the step h.
    smooth = slice(None, -1)
    found = space.inner(x, score, u)
    assert_close(found[smooth], slope[smooth], atol=1e-6 * scale + 1e-6, rtol=1e-6)


def test_densities_and_scores_are_finite_for_tiny_and_huge_variances():
    origin, x = turned(torch.linspace(0, math.pi, 20, dtype=torch.float64))
    for dtype in (torch.float32, torch.float64):
        for s in (1e-8, 1e8):
            s = torch.full((20,), s, dtype=dtype)
            assert kernel.log_density(x.to(dtype), origin.to(dtype), s).isfinite().all()
            assert kernel.score(x.to(dtype), origin.to(dtype), s).isfinite().all()


@pytest.mark.parametrize("s", [0.02, 0.5, 2.0, 20.0])
def test_samples_have_the_expected_characters(s):
    # The mean of (1 + 2 cos angle) / 3 distinguishes the rotation-vector metric from the Frobenius
    # metric (twice as large); the higher characters test the whole distribution.
    n = 20_000
    origin = space.random(1, torch.Generator().manual_seed(1), dtype=torch.float64)
    x = kernel.sample(
        origin.expand(n, -1, -1),
        torch.full((n,), s, dtype=torch.float64),
        torch.Generator().manual_seed(0),
    )
    space.check(x)
    angle = space.distance(x, origin.expand(n, -1, -1))
    for degree in (1, 2, 3):
        character = 1 + 2 * sum((k * angle).cos() for k in range(1, degree + 1))
        character = character / (2 * degree + 1)
        error = character.std().item() / math.sqrt(n)
        expected = math.exp(-degree * (degree + 1) * s / 2)
        assert character.mean().item() == pytest.approx(expected, abs=4 * error + 1e-5)


def test_samples_with_own_generators_do_not_depend_on_the_batch():
    origin, s = space.random(3), torch.tensor([0.1, 1.0, 2.0])
    together = kernel.sample(origin, s, sample_generators(0, range(3)))
    alone = kernel.sample(origin[1:2], s[1:2], sample_generators(0, [1]))
    assert_close(together[1:2], alone)


@pytest.mark.parametrize("s", [1e-13, 1e-11, 1e-10, 1e-8])
def test_scores_at_tiny_variances_approach_varadhans_limit(s):
    generator = torch.Generator().manual_seed(0)
    origin = space.random(2000, generator, dtype=torch.float64)
    variances = torch.full((2000,), s, dtype=torch.float64)
    x = kernel.sample(origin, variances, generator)
    expected = space.log(x, origin) / s  # Varadhan's limit; corrections are of relative size s
    assert_close(kernel.score(x, origin, variances), expected, rtol=1e-6, atol=1e-6 / s**0.5)
