"""Flow matching: zero for the true velocity, divided by the numbers of a point."""

import pytest
import torch
from torch.testing import assert_close

from ldm.objectives import FlowMatching
from ldm.processes import GeodesicFlow, PremetricFlow
from ldm.spaces import Flat, GeodesicDistance, Rotations, Sphere

SPHERE = Sphere(2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(space, n: int) -> torch.Tensor:
    return space.random(n, generator(1), dtype=torch.float64)


@pytest.mark.parametrize("space", [SPHERE, Rotations(), Flat([2, 2])], ids=repr)
def test_of_a_single_datum_the_velocity_to_it_has_no_loss(space):
    latent = data(space, 1).expand(20, *space.shape)

    def predict(x, t):
        return space.log(x, latent) / (1 - t.to(x)).view(-1, *[1] * len(space.shape))

    loss = FlowMatching().loss(predict, GeodesicFlow(space), latent, {}, generator())
    assert loss.max() < 1e-8


@pytest.mark.parametrize("space", [SPHERE, Rotations(), Flat([2, 2])], ids=repr)
def test_the_loss_of_silence_is_the_squared_distance_over_the_numbers_of_a_point(space):
    latent, flow = data(space, 20), GeodesicFlow(space)
    loss = FlowMatching().loss(
        lambda x, t: torch.zeros_like(x), flow, latent, {}, torch.Generator().manual_seed(0)
    )
    own = generator()
    flow.random_times(20, own, None)
    start = space.random(20, own, dtype=torch.float64)
    assert_close(loss, space.distance(start, latent).square() / latent[0].numel())


def test_what_the_network_says_off_the_tangent_space_does_not_count():
    latent = data(SPHERE, 6)
    plain, beside = (
        FlowMatching().loss(
            lambda x, t, c=c: x.roll(1, 1) + c * x, GeodesicFlow(SPHERE), latent, {}, generator()
        )
        for c in (0, 10)
    )
    assert_close(plain, beside)


def test_every_point_of_a_simulated_path_is_learned_with_its_latents_condition():
    flow, latent = PremetricFlow(SPHERE, GeodesicDistance, steps=4), data(SPHERE, 3)
    label = torch.tensor([2, 0, 1])

    def predict(x, t, label):
        # Right for the first latent only, if labels and points belong together.
        goal = latent[torch.argsort(torch.tensor([2, 0, 1]))][label]
        right = SPHERE.log(x, goal) / (1 - t.to(x))[:, None]
        return torch.where(label[:, None] == 2, right, 0.0)

    loss = FlowMatching().loss(predict, flow, latent, {"label": label}, generator())
    start = SPHERE.random(3, generator(), dtype=torch.float64)
    assert loss.shape == (3,)
    assert loss[0] < 1e-8
    assert_close(loss[1:], SPHERE.distance(start, latent)[1:].square() / 3, rtol=1e-5, atol=0)


def test_an_output_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"network gives \(1,\) for points of \(3,\)"):
        FlowMatching().loss(lambda x, t: x[:, :1], GeodesicFlow(SPHERE), data(SPHERE, 2), {})
