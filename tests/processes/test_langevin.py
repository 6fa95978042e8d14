"""Langevin dynamics keep the reference law, and in flat space are the usual diffusion."""

import math

import mpmath
import pytest
import torch
from torch.testing import assert_close

from ldm.processes import Langevin
from ldm.processes.rates import Linear
from ldm.randomness import sample_generators
from ldm.spaces import SPD, Flat, Hyperboloid, PoincareBall, Sphere
from ldm.spaces.divergence import divergence

RATE = Linear(0.01, 4.0)
hyperbolic = pytest.mark.parametrize("space", [Hyperboloid(2, 0.5), PoincareBall(2, 0.5)], ids=repr)


def centre(space, n: int) -> torch.Tensor:
    return space.project(torch.zeros(n, *space.shape, dtype=torch.float64))


def test_in_flat_space_it_is_the_variance_preserving_diffusion():
    process, n = Langevin(Flat([1]), RATE, steps=200), 8000
    latent = torch.full((n, 1), 2.0, dtype=torch.float64)
    x = process.noise(latent, torch.full((n,), 0.7), torch.Generator().manual_seed(0))
    s = 0.01 * 0.7 + (4 - 0.01) * 0.7**2 / 2
    variance = 1 - math.exp(-s)
    assert x.mean().item() == pytest.approx(2 * math.exp(-s / 2), abs=4 * (variance / n) ** 0.5)
    assert x.var().item() == pytest.approx(variance, rel=4 * (2 / n) ** 0.5)


@hyperbolic
def test_the_wrapped_normal_stays_as_it_is(space):
    process, n = Langevin(space, RATE, steps=60), 4000
    generator = torch.Generator().manual_seed(1)
    latent = space.random(n, generator, dtype=torch.float64)
    x = process.noise(latent, torch.ones(n), generator)
    # Distances from the centre are those of a normal of deviation 1/2 in two directions.
    squared = space.distance(x, centre(space, n)).square()
    assert squared.mean().item() == pytest.approx(0.5, abs=4 * 0.5 / n**0.5)
    inner = (squared < 0.5 * math.log(2)).double().mean().item()
    assert inner == pytest.approx(0.5, abs=4 * 0.5 / n**0.5)
    # Nor did it stay because nothing moved.
    assert space.distance(x, latent).square().mean() > 0.5


@hyperbolic
def test_its_drift_leads_to_the_centre_against_normal_law_and_curvature(space):
    # The law falls as exp(-2 r^2) r / sinh r.
    process, t = Langevin(space, RATE), torch.full((5,), 0.5)
    x = space.random(5, torch.Generator().manual_seed(2), dtype=torch.float64)
    drift = process.forward_drift(x, t)
    to = space.log(x, centre(space, 5))
    r = space.inner(x, to, to).sqrt()
    pull = RATE.rate(t).double() / 2 * (4 * r + 1 / r.tanh() - 1 / r)
    assert_close(drift, (pull / r)[:, None] * to, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "space", [Hyperboloid(2, 0.5), Hyperboloid(5), PoincareBall(2, 0.5), PoincareBall(3)], ids=repr
)
def test_the_divergence_of_its_drift_is_that_of_a_radial_field_at_the_centre_too(space):
    # The potential's slope is U' = r / scale^2 + (d - 1)(coth r - 1/r), its Laplacian
    # U'' + (d - 1) coth r U', which at the centre is d U''.
    process, t = Langevin(space, RATE), torch.full((6,), 0.5, dtype=torch.float64)
    r = torch.tensor([0.0, 1e-12, 1e-6, 1e-2, 0.5, 3.0], dtype=torch.float64)
    x = centre(space, 6)
    x = space.exp(x, space.frame(x, r[:, None] * torch.eye(space.dim).double()[:1]))
    d, precision, radius = space.dim, space.scale**-2, r.clamp(min=1e-2)
    rise = 1 / radius.tanh() - 1 / radius
    slope = precision * radius + (d - 1) * rise
    second = precision + (d - 1) * (radius**-2 - radius.sinh() ** -2)
    laplacian = second + (d - 1) / radius.tanh() * slope
    laplacian = torch.where(r < 1e-3, d * (precision + (d - 1) / 3), laplacian)
    _, got = divergence(space, lambda x: process.forward_drift(x, t[: len(x)]), x)
    assert_close(got, -RATE.rate(t) / 2 * laplacian, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    "values",
    [(1, 1, 1), (2, 2, 0.5), (0.3, 1, 1 + 1e-7), (0.3, 1, 1 + 1e-4), (0.2, 1, 6)],
    ids=str,
)
def test_the_divergence_of_its_drift_on_spd_matrices_is_a_laplacian_at_equal_eigenvalues_too(
    values,
):
    # Of a potential of the logarithms l of the eigenvalues, with A = log of the volume of matrices
    # of these l, the Laplacian is sum_i (U_ii + A_i U_i), A_i = sum_j coth((l_i - l_j) / 2) / 2.
    space, scale = SPD(3, 0.7), 0.7
    process, t = Langevin(space, RATE), torch.full((1,), 0.5, dtype=torch.float64)
    with mpmath.workdps(60):
        # Equal ones are parted by less than shows.
        logs = [
            mpmath.log(mpmath.mpf(v) * (1 + k * mpmath.mpf(10) ** -20))
            for k, v in enumerate(values)
        ]
        pairs = [(i, j) for i in range(3) for j in range(3) if i != j]

        def slope(i, at):
            return at[i] / scale**2 + mpmath.fsum(
                mpmath.coth((at[i] - at[j]) / 2) / 2 - 1 / (at[i] - at[j])
                for j in range(3)
                if j != i
            )

        u = [slope(i, logs) for i in range(3)]
        laplacian = mpmath.fsum(
            (u[i] - u[j]) * mpmath.coth((logs[i] - logs[j]) / 2) / 4 for i, j in pairs
        )
        for i in range(3):
            laplacian += mpmath.diff(
                lambda z, i=i: slope(i, [*logs[:i], z, *logs[i + 1 :]]), logs[i], h=1e-25
            )
        laplacian = float(laplacian)
    turned = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double()
    ).Q
    for axes in (turned, torch.eye(3).double()):
        x = space.triangle((axes * torch.tensor(values).double()) @ axes.T)[None]
        _, got = divergence(space, lambda x: process.forward_drift(x, t), x)
        assert got.item() == pytest.approx(-RATE.rate(t).item() / 2 * laplacian, rel=1e-7)


def test_where_the_reference_law_is_uniform_there_is_no_drift():
    x = Sphere(2).random(3)
    assert_close(Langevin(Sphere(2), RATE).forward_drift(x, torch.rand(3)), torch.zeros(3, 3))


def test_a_sample_with_its_own_generator_ignores_its_neighbours():
    space = Hyperboloid(2, 0.5)
    process, t = Langevin(space, RATE, steps=4), torch.tensor([0.1, 0.5, 1.0])
    latent = space.random(3, sample_generators(0, range(3)))
    whole = process.noise(latent, t, sample_generators(1, range(3)))
    for k in range(3):
        own = slice(k, k + 1)
        alone = process.noise(latent[own], t[own], sample_generators(1, [k]))
        assert_close(alone, whole[own], rtol=0, atol=0)
