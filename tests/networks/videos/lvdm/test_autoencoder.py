"""LVDM's autoencoder has its published size, and repeats borders as its weights expect."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ldm.networks.videos.lvdm.autoencoder import (
    Convolution,
    Decoder,
    Encoder,
    TransposedConvolution,
)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_it_has_the_published_numbers_of_parameters_and_shapes():
    with torch.device("meta"):
        encoder, decoder = Encoder(), Decoder()
        clip, small = torch.empty(1, 3, 16, 256, 256), torch.empty(1, 3, 16, 64, 64)
        latent = torch.empty(1, 4, 4, 32, 32)
    assert count(encoder) - count(encoder.quant_conv) == 7_458_952
    assert count(decoder) - count(decoder.post_quant_conv) == 11_987_715
    assert encoder(clip).shape == (1, 8, 4, 32, 32)
    assert encoder(small).shape == (1, 8, 4, 8, 8)
    assert decoder(latent).shape == clip.shape


@pytest.mark.parametrize("stride", [(1, 1, 1), (2, 2, 2), (1, 2, 2)])
def test_the_border_is_repeated_the_larger_half_in_front(stride):
    layer = Convolution(2, 3, 4, stride).double()
    x = torch.randn(1, 2, 4, 6, 8, dtype=torch.float64)
    index = [
        torch.arange(-((5 - s) // 2), n + (4 - s) // 2).clamp(0, n - 1)
        for n, s in zip(x.shape[2:], stride, strict=True)
    ]
    extended = x[:, :, index[0]][:, :, :, index[1]][..., index[2]]
    expected = F.conv3d(extended, layer.weight, layer.bias, stride)
    assert torch.allclose(layer(x), expected, rtol=0, atol=1e-12)
    assert expected.shape[2:] == tuple(n // s for n, s in zip(x.shape[2:], stride, strict=True))


def test_the_transposed_convolution_multiplies_sides_by_its_stride():
    layer = TransposedConvolution(2, 3, 4, (1, 2, 2))
    assert layer(torch.zeros(1, 2, 3, 5, 4)).shape == (1, 3, 3, 10, 8)


def test_a_constant_clip_stays_constant_up_to_its_border():
    """Zeros beyond the border, in place of what is repeated, would show there."""
    torch.manual_seed(0)
    up = TransposedConvolution(2, 3, 4, (2, 2, 2)).double()
    down = Convolution(2, 3, 4, (2, 2, 2)).double()
    x = torch.ones(1, 2, 4, 4, 4, dtype=torch.float64)
    found = down(x)
    assert torch.allclose(found, found[..., :1, :1, :1].expand_as(found), rtol=0, atol=1e-12)
    period = up(x)[..., :2, :2, :2].tile(4, 4, 4)  # of even and odd places
    assert torch.allclose(up(x), period, rtol=0, atol=1e-12)


def test_clips_that_cannot_be_halved_are_refused():
    encoder = Encoder(3, 8, levels=2, time_levels=1)
    for shape in [(3, 5, 8, 8), (3, 4, 8, 6)]:
        with pytest.raises(ValueError, match=r"frames are multiples of 2 and whose sides are .* 4"):
            encoder(torch.zeros(1, *shape))


def test_there_and_back_gradients_reach_all_weights():
    encoder, decoder = (
        Encoder(3, 8, levels=2, time_levels=1),
        Decoder(4, 3, levels=2, time_levels=1),
    )
    both = nn.ModuleList([encoder, decoder])
    decoder(encoder(torch.randn(1, 3, 4, 8, 8))[:, :4]).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in both.parameters())
