"""Laws of the discriminator with one logit an image."""

import pytest
import torch
from torch.testing import assert_close

from ldm.networks.images.stylegan import Blur, StyleGANDiscriminator


def test_the_published_widths_give_one_logit_an_image():
    with torch.device("meta"):
        network = StyleGANDiscriminator()
        assert network(torch.empty(2, 3, 256, 256)).shape == (2, 1)
    assert network.net[-2].weight.shape == (512, 512, 3, 3)


def test_blurring_keeps_constants_and_removes_the_finest_stripes():
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # the border sees zeros
    x = torch.ones(1, 2, 12, 12)
    assert_close(Blur()(x)[inner], torch.ones(1, 2, 4, 4))
    stripes = x * torch.tensor([1.0, -1.0]).repeat(6)
    assert_close(Blur()(stripes)[inner], torch.zeros(1, 2, 4, 4))


def test_logits_do_not_depend_on_other_images():
    torch.manual_seed(0)
    network, x = StyleGANDiscriminator(1, 8, (1, 2)), torch.randn(2, 1, 8, 8)
    assert_close(network(x)[:1], network(x[:1]))


def test_too_small_images_are_refused():
    with pytest.raises(ValueError, match="at least 32 pixels a side, found 16 x 64"):
        StyleGANDiscriminator(width=8)(torch.zeros(1, 3, 16, 64))
