"""A fitted first layer gives the published time embedding at a sampler's times."""

import pytest
import torch
from diffusers.models.embeddings import Timesteps

from ldm.hub.timesteps import fitted, waves
from ldm.networks.embedders import TimestepEmbedder

ALL = torch.arange(1000)


def layer():
    return torch.randn(64, 256, generator=torch.Generator().manual_seed(0)) * 0.02


def test_the_waves_are_those_of_both_embeddings():
    theirs = Timesteps(256, flip_sin_to_cos=True, downscale_freq_shift=1)
    torch.testing.assert_close(waves(ALL, 1).float(), theirs(ALL), atol=1e-4, rtol=0)
    embedder = TimestepEmbedder(8, frequency_shift=1).double()
    torch.testing.assert_close(embedder.mlp(waves(ALL, 1)), embedder(ALL))


@pytest.mark.parametrize("steps", [1, 10, 20, 25, 50])
@pytest.mark.parametrize("spacing", ["trailing", "leading"])
def test_it_is_exact_at_the_samplers_times_and_nearer_than_a_copy_at_others(steps, spacing):
    times = torch.arange(0, 1000, 1000 // steps) + (1000 // steps - 1) * (spacing == "trailing")
    fit = fitted(layer(), times)
    published = waves(ALL, 0) @ layer().double().mT
    got, copied = (waves(ALL, 1) @ each.double().mT for each in (fit, layer()))
    torch.testing.assert_close(got[times], published[times], atol=2e-6, rtol=0)
    assert (got - published).square().mean() < (copied - published).square().mean() / 2


def test_more_times_than_it_can_be_exact_at_are_refused():
    with pytest.raises(ValueError, match="the same at 250 times"):
        fitted(layer(), torch.arange(0, 1000, 4))
