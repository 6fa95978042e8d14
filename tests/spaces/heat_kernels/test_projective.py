"""Brownian motion on projective spaces."""

import math

import torch
from torch.testing import assert_close

from ldm.spaces import ProjectiveSpace, Sphere

space = ProjectiveSpace(2)
generator = torch.Generator().manual_seed(0)


def test_the_density_is_even_and_integrates_to_one():
    origin = torch.tensor([[0.6, 0.0, 0.8]], dtype=torch.float64).expand(4000, -1)
    x = Sphere(2).spread(4000)
    for s in (0.05, 0.5, 5.0):
        s = torch.full_like(x[:, 0], s)
        density = space.heat_kernel.log_density(x, origin, s)
        assert_close(space.heat_kernel.log_density(-x, origin, s), density)
        assert_close(space.heat_kernel.log_density(x, -origin, s), density)
        # The sphere is a double cover; quadrature on these points is accurate to 1e-5.
        total = density.exp().mean() * 2 * math.pi
        assert_close(total, torch.ones_like(total), atol=3e-5, rtol=0)


def test_the_score_is_the_derivative_of_the_log_density():
    x, origin = (space.random(100, generator, dtype=torch.float64) for _ in range(2))
    s = torch.logspace(-2, 1, 100, dtype=torch.float64)
    u, h = space.random_tangent(x, generator), 1e-5
    density = [space.heat_kernel.log_density(space.exp(x, t * u), origin, s) for t in (h, -h)]
    slope = (density[0] - density[1]) / (2 * h)
    score = space.heat_kernel.score(x, origin, s)
    assert_close(space.inner(x, score, u), slope, atol=1e-5, rtol=1e-5)
    assert_close(space.heat_kernel.score(-x, origin, s), -score)


def test_samples_have_the_expected_second_moment():
    # Even eigenfunctions of S^3 descend to RP^3: E[4 cos^2 - 1] / 3 = exp(-4 s).
    n, s, space = 20_000, 0.3, ProjectiveSpace(3)
    origin = space.random(1, generator, dtype=torch.float64).expand(n, -1)
    x = space.heat_kernel.sample(origin, torch.full((n,), s, dtype=torch.float64), generator)
    mean = (4 * space.distance(x, origin).cos().square() - 1).mean() / 3
    assert_close(mean.item(), math.exp(-4 * s), atol=4 * 0.5 / n**0.5, rtol=0)
