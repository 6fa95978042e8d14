"""The bottleneck that only bounds latents."""

import pytest
import torch

from ldm.bottlenecks import Tanh
from ldm.spaces import Flat


def test_latents_are_bounded_and_stored_as_they_are():
    bottleneck = Tanh([4])
    bottleneck.on_grid([6])
    h = 3 * torch.randn(2, 4, 6)
    encoded = bottleneck(h)
    assert bottleneck.space == Flat([4, 6])
    assert torch.equal(encoded.latent, h.tanh())
    assert torch.equal(bottleneck.latent(encoded.raw), encoded.latent)
    assert encoded.losses == {}
    assert encoded.stats["saturated"] == (h.tanh().abs() > 0.99).float().mean()


def test_features_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="4 channels"):
        Tanh([4])(torch.zeros(1, 8, 6))
