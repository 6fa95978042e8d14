"""The lookup-free quantiser, against its definition and vector-quantize-pytorch."""

import pytest
import torch
from torch.testing import assert_close
from vector_quantize_pytorch import LFQ

from ldm.bottlenecks import LookupFreeQuantizer


def features(channels: int = 6) -> torch.Tensor:
    return torch.randn(2, channels, 4, 4, generator=torch.Generator().manual_seed(0))


def test_codes_losses_and_gradients_are_those_of_an_independent_library():
    ours, theirs = features().requires_grad_(), features().requires_grad_()
    encoded = LookupFreeQuantizer([6, 4, 4], temperature=0.2, diversity=0.7)(ours)
    library = LFQ(dim=6, codebook_size=64, commitment_loss_weight=0.25, diversity_gamma=0.7)
    latent, codes, loss = library(theirs, inv_temperature=5.0)
    assert torch.equal(encoded.codes[..., 0], codes)
    assert_close(encoded.latent, latent)
    total = sum(encoded.losses.values())
    assert_close(total, loss)
    (encoded.latent.square().sum() + total).backward()
    (latent.square().sum() + loss).backward()
    assert_close(ours.grad, theirs.grad)


def test_codes_number_all_corners():
    quantizer = LookupFreeQuantizer([4, 1])
    codes = torch.arange(16)[:, None, None]
    corners = quantizer.codes_to_latent(codes)
    assert len(corners.unique(dim=0)) == 16
    assert torch.equal(quantizer(0.1 * corners).codes, codes)
    assert torch.equal(quantizer.decodable(3 * corners), corners)
    assert corners[8, :, 0].tolist() == [1, -1, -1, -1]  # the first channel is the largest bit


def test_the_sign_of_zero_is_negative():
    assert LookupFreeQuantizer([1, 1])(torch.zeros(1, 1, 1)).latent.item() == -1


def test_many_bits_are_counted_together_only_in_groups():
    with pytest.raises(ValueError, match="divide the 36 channels, and be 24 or fewer"):
        LookupFreeQuantizer([36])
    with pytest.raises(ValueError, match="divide the 36 channels"):
        LookupFreeQuantizer([36], together=7)
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        LookupFreeQuantizer([6], temperature=0)
    encoded = LookupFreeQuantizer([36, 4, 4], together=9)(features(36))
    assert encoded.losses["entropy"].isfinite()
    assert encoded.stats == {}
