"""Published sizes on the meta device, shapes, placement of attention, padding of downsampling."""

import pytest
import torch

from ldm.networks.images.compvis import Decoder, Downsample, Encoder
from ldm.networks.images.layers import SpatialAttention


def count(*modules: torch.nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


# Name, latent channels, features per latent channel, multipliers, attention, parameters. The totals
# exclude the codebook and the scalar log variance of the KL models' loss.
PUBLISHED = [
    ("kl-f4", 3, 2, [1, 2, 4], [], 55_312_063),
    ("kl-f8", 4, 2, [1, 2, 4, 4], [], 83_653_863),
    ("kl-f16", 16, 2, [1, 1, 2, 2, 4], [16], 69_610_963),
    ("kl-f32", 64, 2, [1, 1, 2, 2, 4, 4], [16, 8], 103_880_131),
    ("vq-f4", 3, 1, [1, 2, 4], [], 55_298_206),
    ("vq-f8", 4, 1, [1, 2, 2, 4], [32], 67_651_759),
    ("vq-f16", 8, 1, [1, 1, 2, 2, 4], [16], 69_462_299),
    ("taming-f16", 256, 1, [1, 1, 2, 2, 4], [16], 71_879_555),
]


@pytest.mark.parametrize(
    ("latent", "features", "multipliers", "attention", "expected"),
    [row[1:] for row in PUBLISHED],
    ids=[row[0] for row in PUBLISHED],
)
def test_parameter_counts(latent, features, multipliers, attention, expected):
    shape = {"multipliers": multipliers, "attention_resolutions": attention}
    with torch.device("meta"):
        encoder = Encoder(3, features * latent, **shape)
        decoder = Decoder(latent, 3, **shape)
        h = encoder(torch.empty(1, 3, 256, 256))
        x = decoder(h[:, :latent])
    assert count(encoder, decoder) == expected
    grid = 256 // 2 ** (len(multipliers) - 1)
    assert h.shape == (1, features * latent, grid, grid)
    assert x.shape == (1, 3, 256, 256)


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (1, 28, 28), (3, 16, 8)])
def test_a_round_trip_in_bfloat16_keeps_the_shape(channels, height, width):
    encoder = Encoder(channels, 4, width=32, multipliers=[1, 2, 2])
    decoder = Decoder(4, channels, width=32, multipliers=[1, 2, 2])
    with torch.autocast("cpu", torch.bfloat16):
        h = encoder(torch.randn(2, channels, height, width))
        x = decoder(h)
    assert h.shape == (2, 4, height // encoder.downsampling, width // encoder.downsampling)
    assert x.shape == (2, channels, height, width)
    x.float().square().mean().backward()
    for name, parameter in (*encoder.named_parameters(), *decoder.named_parameters()):
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_levels_at_the_attention_resolutions_have_attention():
    with torch.device("meta"):
        encoder = Encoder(
            width=32, multipliers=[1, 1, 2], attention_resolutions=[16], resolution=32
        )
        decoder = Decoder(
            width=32, multipliers=[1, 1, 2], attention_resolutions=[16], resolution=32
        )
    found = [
        name
        for module in (encoder, decoder)
        for name, part in module.named_modules()
        if isinstance(part, SpatialAttention)
    ]
    encoding = ["down.1.attn.0", "down.1.attn.1", "mid.attn_1"]
    decoding = ["mid.attn_1", "up.1.attn.0", "up.1.attn.1", "up.1.attn.2"]
    assert found == encoding + decoding


def test_downsampling_pads_right_and_bottom():
    # A kernel with one corner entry reads pixels (2 i, 2 j); padding on all sides would shift them.
    down = Downsample(1)
    torch.nn.init.zeros_(down.conv.bias)
    down.conv.weight.data = (torch.arange(9) == 0).float().view(1, 1, 3, 3)
    x = torch.randn(1, 1, 6, 8)
    assert torch.equal(down(x), x[:, :, ::2, ::2])


def test_attention_is_a_softmax_over_pixels():
    torch.manual_seed(0)
    attention = SpatialAttention(32).double()
    x = torch.randn(2, 32, 3, 5, dtype=torch.float64)
    h = attention.norm(x)
    q, k, v = (f(h).flatten(2) for f in (attention.q, attention.k, attention.v))
    weights = torch.einsum("bci,bcj->bij", q, k).mul(32**-0.5).softmax(2)
    mixed = torch.einsum("bij,bcj->bci", weights, v).unflatten(2, (3, 5))
    torch.testing.assert_close(attention(x), x + attention.proj_out(mixed))


def test_the_output_is_the_bias_when_the_last_layer_is_zero():
    decoder = Decoder(4, 1, width=32, multipliers=[1])
    torch.nn.init.zeros_(decoder.last_layer)
    image = decoder(torch.randn(1, 4, 2, 2))
    torch.testing.assert_close(image, decoder.conv_out.bias.expand(1, 1, 2, 2))


def test_channels_that_32_groups_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="32 groups, found 48 channels"):
        Encoder(width=48)


def test_images_with_sides_not_divisible_by_the_downsampling_are_refused():
    encoder = Encoder(width=32, multipliers=[1, 1, 1])
    with pytest.raises(ValueError, match="downsamples 4-fold, found images of 8 x 30"):
        encoder(torch.zeros(1, 3, 8, 30))


def test_attention_between_the_coarsest_blocks_can_be_left_out():
    options = {"width": 32, "multipliers": [1, 2], "middle_attention": False}
    for network in (Encoder(3, 8, **options), Decoder(4, 3, **options)):
        assert not any(isinstance(module, SpatialAttention) for module in network.modules())
