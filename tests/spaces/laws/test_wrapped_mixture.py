"""Mixtures of wrapped normals: their mass, their draws, and one component alone."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import SPD, Flat, PoincareBall, Sphere, WrappedMixture, WrappedNormal

PAIR = [[0.6, -0.6], [-0.6, 0.6]]
BALL = PoincareBall(2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_mass_in_the_disc_is_one():
    law = WrappedMixture(BALL, PAIR, 0.7)
    r = torch.linspace(0, 9, 401, dtype=torch.float64)[1:]
    a = torch.arange(240, dtype=torch.float64) * 2 * math.pi / 240
    r, a = torch.meshgrid(r, a, indexing="ij")
    x = torch.stack([a.cos(), a.sin()], -1) * torch.tanh(r / 2)[..., None]
    values = law.log_density(x.view(-1, 2)).exp().view_as(r) * r.sinh()
    assert (values.sum() * 9 / 400 * 2 * math.pi / 240).item() == pytest.approx(1, abs=1e-4)


def test_draws_follow_the_density():
    # Under its own draws, the mean of q / p is the mass of q: one, for another law q.
    law, other = WrappedMixture(BALL, PAIR, 0.7), WrappedMixture(BALL, PAIR[:1], 0.5)
    x = law.random(100_000, generator(), dtype=torch.float64)
    ratio = (other.log_density(x) - law.log_density(x)).exp()
    error = ratio.std().item() / math.sqrt(len(x))
    assert ratio.mean().item() == pytest.approx(1, abs=4 * error)
    assert error < 0.02


@pytest.mark.parametrize("space", [BALL, Sphere(2), SPD(2), Flat([2])], ids=repr)
def test_one_component_is_a_wrapped_normal(space):
    mean = space.random(1, generator(3), dtype=torch.float64)[0]
    x = space.random(20, generator(4), dtype=torch.float64)
    found = WrappedMixture(space, [mean.tolist()], 0.3).log_density(x)
    assert_close(found, WrappedNormal(space, mean, 0.3).log_density(x))


def test_components_weigh_alike_and_draws_keep_their_generators():
    law = WrappedMixture(Flat([1]), [[-9.0], [0.0], [9.0]], 1.0)
    x = law.random(9000, generator()).squeeze(1)
    for mean in (-9.0, 0.0, 9.0):
        near = x[(x - mean).abs() < 4.5]
        assert len(near) == pytest.approx(3000, abs=4 * math.sqrt(2000))
        assert near.mean().item() == pytest.approx(mean, abs=4 / math.sqrt(3000))
    whole = law.random(3, sample_generators(0, range(3)))
    assert_close(law.random(1, sample_generators(0, [2])), whole[2:])


def test_it_is_made_where_models_are_without_memory():
    with torch.device("meta"):
        law = WrappedMixture(BALL, PAIR, 0.7)
    assert law.random(2, generator()).device.type == "cpu"


def test_what_is_no_mean_is_refused():
    with pytest.raises(ValueError, match="one mean or more"):
        WrappedMixture(BALL, [], 0.7)
    with pytest.raises(ValueError, match="off PoincareBall"):
        WrappedMixture(BALL, [[0.9, 0.9]], 0.7)
    with pytest.raises(ValueError, match="one positive standard deviation"):
        WrappedMixture(BALL, PAIR, 0.0)
