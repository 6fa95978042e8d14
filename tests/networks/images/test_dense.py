"""Published sizes, output range, and symmetry of even decoders."""

import pytest
import torch

from ldm.networks.images.dense import Decoder, Encoder, Even

IMAGE = [1, 28, 28]


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_on_the_sphere_are_published_ones():
    with torch.device("meta"):
        assert count(Decoder(3, IMAGE)) == 235_024
        assert count(Encoder(IMAGE, 4)) == 784 * 256 + 256 + 256 * 128 + 128 + 128 * 4 + 4


def test_outputs_are_the_sigmoid_of_the_logits_in_the_range_of_images():
    decoder = Decoder(9, [3, 4, 4], widths=[8])
    z = torch.randn(5, 3, 3)
    x = decoder(z)
    assert x.shape == (5, 3, 4, 4)
    torch.testing.assert_close((x + 1) / 2, decoder.layers(z.flatten(1)).sigmoid().view_as(x))


def test_outputs_are_single_precision_under_autocast():
    decoder = Decoder(3, IMAGE)
    with torch.autocast("cpu", torch.bfloat16):
        assert decoder(torch.randn(2, 3)).dtype == torch.float32


@pytest.mark.parametrize("shape", [(4,), (3, 3)], ids=["line", "matrix"])
def test_an_even_decoder_averages_over_both_signs_and_adds_no_parameters(shape):
    decoder = Decoder(torch.Size(shape).numel(), IMAGE)
    even, z = Even(decoder), torch.randn(6, *shape)
    assert torch.equal(even(z), even(-z))
    torch.testing.assert_close(even(z), (decoder(z) + decoder(-z)) / 2)
    assert count(even) == count(decoder)
