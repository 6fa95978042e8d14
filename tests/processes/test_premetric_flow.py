"""Flow down a premetric, simulated: with the geodesic distance it has to be the geodesic flow."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ldm.processes import GeodesicFlow, PremetricFlow
from ldm.randomness import sample_generators
from ldm.spaces import GeodesicDistance, Premetric, Space, Sphere

SPHERE = Sphere(2)


class Chord(Premetric):
    """The distance through the ball: not geodesic, but its descent runs along great circles."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def distance(self, x: Tensor, z: Tensor) -> Tensor:
        return (x - z).norm(dim=1)

    def direction(self, x: Tensor, z: Tensor) -> Tensor:
        gradient = -self.space.tangent(x, z) / self.distance(x, z)[:, None]
        return -self.distance(x, z)[:, None] * gradient / gradient.square().sum(1, keepdim=True)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(n: int = 6) -> Tensor:
    return SPHERE.random(n, generator(1), dtype=torch.float64)


@pytest.mark.parametrize("steps", [2, 7])
def test_down_the_geodesic_distance_it_is_the_geodesic_flow_in_any_number_of_steps(steps):
    flow, latent, t = PremetricFlow(SPHERE, GeodesicDistance, steps), data(), torch.rand(6).double()
    x, velocity = flow.path(latent, t, generator())
    expected, expected_velocity = GeodesicFlow(SPHERE).path(latent, t, generator())
    assert_close(x, expected)
    assert_close(velocity, expected_velocity)


def test_its_examples_are_on_geodesics_too_and_those_of_one_latent_follow_one_another():
    flow, latent = PremetricFlow(SPHERE, GeodesicDistance, steps=5), data(3)
    x, t, velocity = flow.examples(latent, generator())
    assert x.shape == velocity.shape == (15, 3)
    start = SPHERE.random(3, generator(), dtype=torch.float64).repeat_interleave(5, 0)
    along = SPHERE.log(start, latent.repeat_interleave(5, 0))
    assert_close(x, SPHERE.exp(start, t.double()[:, None] * along), rtol=1e-6, atol=1e-6)
    assert_close(velocity, SPHERE.transport(start, x, along), rtol=1e-5, atol=1e-5)


def test_the_times_of_a_path_are_stratified_and_together_uniform():
    flow = PremetricFlow(SPHERE, GeodesicDistance, steps=4)
    t = flow.examples(data(1000), generator())[1].view(1000, 4)
    cells = (t / 0.75 * 4).floor()
    assert torch.equal(cells, torch.arange(4.0).expand(1000, 4))
    assert t.max() < 0.75  # 1 - 1 / steps
    within = (t[:, 0] / 0.75 * 4).sort().values
    assert (within - torch.arange(1, 1001) / 1000).abs().max() < 1.95 / 1000**0.5
    single = flow.random_times(1000, generator(), None)
    assert single.max() < 0.75
    assert single.max() > 0.74


def test_the_distance_falls_in_proportion_to_the_time_left_and_the_latent_is_reached():
    flow, latent = PremetricFlow(SPHERE, Chord, steps=200), data(50)
    start = SPHERE.random(50, generator(), dtype=torch.float64)
    whole = (start - latent).norm(dim=1)
    # Start away from antipodes, where the chord has no slope.
    near = whole < 1.8
    for time in (0.25, 0.5, 0.9, 1 - 1e-4):
        x, _ = flow.path(latent, torch.full((50,), time).double(), generator())
        left = (x - latent).norm(dim=1)[near]
        assert_close(left, (1 - time) * whole[near], atol=0.02, rtol=0.05)
        SPHERE.check(x)


def test_a_sample_with_its_own_generator_ignores_its_neighbours():
    flow, latent = PremetricFlow(SPHERE, GeodesicDistance, steps=3), data(3)
    whole = flow.examples(latent, sample_generators(1, range(3)))
    for k in range(3):
        alone = flow.examples(latent[k : k + 1], sample_generators(1, [k]))
        for one, other in zip(alone, whole, strict=True):
            assert_close(one, other[3 * k : 3 * k + 3])


def test_too_few_steps_are_refused():
    with pytest.raises(ValueError, match="2 steps or more, got 1"):
        PremetricFlow(SPHERE, GeodesicDistance, steps=1)


def test_a_brief_copy_has_as_many_examples_and_leaves_the_flow_as_it_was():
    flow = PremetricFlow(SPHERE, GeodesicDistance, steps=7)
    points, times, velocities = flow.brief().examples(data(), generator())
    assert points.shape == velocities.shape == (42, 3)
    assert times.unique().shape == (6,)  # one for each latent, repeated
    assert flow.examples(data(), generator())[1].unique().shape == (42,)
