"""Published sizes on the meta device; closed forms of the two blocks that the paper introduces."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ldm.networks.images.gsq import (
    AdaptiveGroupNorm,
    Decoder,
    DepthToSpace,
    Encoder,
    ResidualBlock,
)


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


F8, F16 = [1, 2, 2, 4], [1, 1, 2, 2, 4]


@pytest.mark.parametrize(
    ("latent", "multipliers", "options", "encoder", "decoder"),
    [
        (16, F16, {}, 30_874_384, 42_057_987),
        (16, F8, {}, 30_135_440, 40_871_939),
        (8, F8, {}, 30_131_336, 40_810_499),
        (8, F8, {"depth_to_space": False}, 30_131_336, 30_190_595),
        (8, F8, {"depth_to_space": False, "adaptive_norm": False}, 30_131_336, 30_162_947),
    ],
)
def test_parameter_counts(latent, multipliers, options, encoder, decoder):
    with torch.device("meta"):
        ours = Encoder(3, latent, multipliers=multipliers)
        assert count(ours) == encoder
        ours = Decoder(latent, 3, multipliers=multipliers, **options)
        assert count(ours) == decoder


@pytest.mark.parametrize(
    ("multipliers", "encoder", "decoder", "millions"),
    [
        (F8, {}, {}, 75.595),
        (F8, {"attention": True}, {"attention": True}, 77.698),
        ([1, 2, 4, 4], {"attention": True}, {"attention": True}, 100.742),
        (F16, {}, {}, 77.532),
        ([1, 2, 2, 2, 4], {}, {}, 83.303),
        ([1, 1, 2, 4, 4], {}, {}, 100.576),
        (
            [1, 2, 2, 4, 4],
            {"blocks": [4, 3, 4, 3, 4], "middle_blocks": 4},
            {"blocks": [3, 4, 3, 4, 4], "middle_blocks": 4},
            166.260,
        ),
    ],
)
def test_parameter_counts_of_figure_3(multipliers, encoder, decoder, millions):
    codebook = 4_194_304  # the figure includes a codebook and has 64 latent channels
    with torch.device("meta"):
        ours = (
            Encoder(3, 64, multipliers=multipliers, **encoder),
            Decoder(64, 3, multipliers=multipliers, **decoder),
        )
    assert round((count(*ours) + codebook) / 1e6, 3) == millions


@pytest.mark.parametrize("depth_to_space", [True, False])
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (1, 28, 28), (3, 8, 4)])
def test_a_round_trip_in_bfloat16_keeps_the_shape(channels, height, width, depth_to_space):
    torch.manual_seed(0)
    encoder = Encoder(channels, 8, 32, [1, 2, 2], blocks=1, attention=True)
    decoder = Decoder(
        8, channels, 32, [1, 2, 2], blocks=1, attention=True, depth_to_space=depth_to_space
    )
    with torch.autocast("cpu", torch.bfloat16):
        h = encoder(torch.randn(2, channels, height, width))
        x = decoder(h)
    assert h.shape == (2, 8, height // encoder.downsampling, width // encoder.downsampling)
    assert x.shape == (2, channels, height, width)
    x.float().square().mean().backward()
    for name, parameter in (*encoder.named_parameters(), *decoder.named_parameters()):
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_depth_to_space_maps_each_channel_to_its_pixel():
    channels = 3
    block = DepthToSpace(channels)
    nn.init.zeros_(block.conv.weight)
    for a in range(2):
        for b in range(2):
            for c in range(channels):
                channel = (2 * a + b) * channels + c
                block.conv.bias.data = F.one_hot(torch.tensor(channel), 4 * channels).float()
                expected = torch.zeros(1, channels, 4, 6)
                expected[0, c, a::2, b::2] = 1
                assert torch.equal(block(torch.randn(1, channels, 2, 3)), expected)


@pytest.fixture
def norm() -> AdaptiveGroupNorm:
    torch.manual_seed(1)
    return AdaptiveGroupNorm(64, 4).double()


def test_adaptive_norm_with_unit_scale_and_zero_shift_is_group_norm(norm):
    for layer in (norm.gamma, norm.beta):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.ones_(norm.gamma.bias)
    x = torch.randn(2, 64, 6, 4, dtype=torch.float64)
    latent = torch.randn(2, 4, 3, 2, dtype=torch.float64)
    torch.testing.assert_close(norm(x, latent), F.group_norm(x, 32, eps=1e-6))


def test_adaptive_norm_depends_on_standard_deviation_and_mean(norm):
    x = torch.randn(2, 64, 6, 4, dtype=torch.float64)
    latent = torch.randn(2, 4, 3, 2, dtype=torch.float64)
    spread = (latent.flatten(2).var(2, unbiased=True) + 1e-6).sqrt()
    scale = F.linear(spread, norm.gamma.weight, norm.gamma.bias)[..., None, None]
    shift = F.linear(latent.mean((2, 3)), norm.beta.weight, norm.beta.bias)[..., None, None]
    torch.testing.assert_close(norm(x, latent), scale * F.group_norm(x, 32, eps=1e-6) + shift)


def test_the_standard_deviation_of_a_single_token_is_zero(norm):
    x, latent = torch.randn(2, 64, 2, 2).double(), torch.randn(2, 4, 1, 1).double()
    near_zero = norm(x, latent)
    assert near_zero.isfinite().all()
    torch.testing.assert_close(near_zero, norm(x, latent.expand(2, 4, 2, 2)))


def test_new_networks_preserve_the_variance():
    torch.manual_seed(2)
    x = torch.randn(8, 3, 32, 32)
    h = Encoder(3, 16, 64, [1, 2])(x)
    assert 0.7 < h.std().item() < 1.4
    x = Decoder(16, 3, 64, [1, 2], adaptive_norm=False)(torch.randn(8, 16, 16, 16))
    assert 0.7 < x.std().item() < 1.4


@pytest.mark.parametrize("channels", [(64, 64), (32, 96)])
def test_a_new_block_adds_half_the_variance_of_its_input(channels):
    torch.manual_seed(3)
    block = ResidualBlock(*channels)
    x = torch.randn(16, channels[0], 16, 16)
    assert block.net(x).var().item() == pytest.approx(0.5, rel=0.1)
    assert block.skip(x).var().item() == pytest.approx(1.0, rel=0.1)
    assert block(x).var().item() == pytest.approx(1.5, rel=0.1)


def test_the_output_is_the_bias_when_the_last_layer_is_zero():
    decoder = Decoder(4, 1, width=32, multipliers=[1])
    nn.init.zeros_(decoder.last_layer)
    image = decoder(torch.randn(1, 4, 2, 2))
    torch.testing.assert_close(image, decoder.head[-1].bias.expand(1, 1, 2, 2))


def test_a_number_of_blocks_missing_for_one_level_is_refused():
    with pytest.raises(ValueError, match=r"3 multipliers need .* found \[2, 2\]"):
        Encoder(width=32, multipliers=[1, 1, 1], blocks=[2, 2])


def test_images_with_sides_not_divisible_by_the_downsampling_are_refused():
    with pytest.raises(ValueError, match="downsamples 2-fold, found images of 7 x 8"):
        Encoder(width=32, multipliers=[1, 1])(torch.zeros(1, 3, 7, 8))


def test_new_adaptive_norms_are_torchs_linear_layers_and_attention_has_unit_gain():
    torch.manual_seed(4)
    norm = AdaptiveGroupNorm(512, 16)
    for layer in (norm.gamma, norm.beta):
        assert layer.weight.std().item() == pytest.approx(1 / math.sqrt(3 * 16), rel=0.03)  # 0.144
        assert layer.weight.abs().max() <= 1 / math.sqrt(16)
    (attention,) = (m for m in Encoder(width=64, attention=True).modules() if hasattr(m, "q"))
    channels = attention.q.in_channels
    for layer in (attention.q, attention.k, attention.v, attention.proj_out):
        assert layer.weight.std().item() == pytest.approx(1 / math.sqrt(channels), rel=0.03)
