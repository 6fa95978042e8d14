"""Finite scalar quantisation, against its definition and vector-quantize-pytorch."""

import math

import pytest
import torch
from torch.testing import assert_close
from vector_quantize_pytorch import FSQ

from ldm.bottlenecks import FiniteScalarQuantizer

LEVELS = [[8, 6, 5], [7, 5, 5, 5, 5], [2, 3, 4]]


def features(channels: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(3, channels, 4, 4, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("levels", LEVELS[:2], ids=str)
def test_codes_latents_and_gradients_are_those_of_an_independent_library(levels):
    h = features(len(levels))
    ours, theirs = h.clone().requires_grad_(), h.clone().requires_grad_()
    encoded = FiniteScalarQuantizer(levels, [4, 4])(ours)
    latent, codes = FSQ(levels, channel_first=True, force_quantization_f32=False)(theirs)
    assert torch.equal(encoded.codes[..., 0], codes.long())
    assert_close(encoded.latent, latent)
    weight = features(len(levels)).flip(0)
    for one in (encoded.latent, latent):
        (one * weight).sum().backward()
    assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("levels", LEVELS, ids=str)
def test_codes_number_all_points_of_the_grid(levels):
    quantizer = FiniteScalarQuantizer(levels, [1])
    codes = torch.arange(math.prod(levels))[:, None, None]
    points = quantizer.codes_to_latent(codes)
    assert quantizer.vocabulary == len(points.unique(dim=0)) == math.prod(levels)
    assert points.abs().max() == 1
    assert torch.equal(quantizer.decodable(points), points)
    for channel, level in enumerate(levels):
        values = points[:, channel].unique()
        assert_close(values, (torch.arange(level) - level // 2) / (level // 2))


def test_large_features_reach_the_outermost_levels_and_no_further():
    quantizer = FiniteScalarQuantizer([4, 5], [2])
    h = torch.tensor([[[1e4, -1e4], [1e4, -1e4]]])
    assert quantizer(h).latent.tolist() == [[[0.5, -1], [1, -1]]]
    assert quantizer.decodable(9 * h).tolist() == [[[0.5, -1], [1, -1]]]


def test_the_grid_may_follow_and_a_single_level_is_refused():
    quantizer = FiniteScalarQuantizer([8, 5])
    quantizer.on_grid([3])
    assert quantizer.space.shape == (2, 3)
    with pytest.raises(ValueError, match=r"2 levels or more, got \[8, 1\]"):
        FiniteScalarQuantizer([8, 1])
    with pytest.raises(ValueError, match="more codes than a whole number"):
        FiniteScalarQuantizer([8] * 21)
