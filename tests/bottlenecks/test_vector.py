"""Laws of the vector quantiser, in float64 where it sharpens."""

import pytest
import torch
from torch.nn.functional import normalize

from ldm.bottlenecks import VectorQuantizer


def quantizer(**options) -> VectorQuantizer:
    torch.manual_seed(0)
    return VectorQuantizer([3, 4, 4], codes=40, init="sphere", **options).double()


def features(seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("legacy", [False, True])
def test_loss_and_gradients_match_their_formulas(legacy):
    bottleneck, h = quantizer(beta=0.3, legacy=legacy), features().requires_grad_()
    encoded = bottleneck(h)
    encoded.losses["codebook"].backward()
    on_codes, on_tokens = (0.3, 1.0) if legacy else (1.0, 0.3)
    z = h.detach().movedim(1, -1).reshape(-1, 3)
    codes = torch.cdist(z, bottleneck.codebook.detach()).argmin(1)
    apart = bottleneck.codebook.detach()[codes] - z
    assert torch.equal(encoded.codes.flatten(), codes)
    torch.testing.assert_close(
        encoded.losses["codebook"].item(), 1.3 * apart.square().mean().item()
    )
    gradient = torch.zeros(40, 3, dtype=torch.float64).index_add(0, codes, apart)
    torch.testing.assert_close(bottleneck.codebook.grad, on_codes * 2 / h.numel() * gradient)
    token_gradient = h.grad.movedim(1, -1).reshape(-1, 3)
    torch.testing.assert_close(token_gradient, -on_tokens * 2 / h.numel() * apart)


def test_the_latent_reaches_the_encoder_unchanged_and_never_the_codebook():
    bottleneck, h = quantizer(), features().requires_grad_()
    weight = features(2)
    (bottleneck(h).latent * weight).sum().backward()
    assert torch.equal(h.grad, weight)
    assert bottleneck.codebook.grad is None


@pytest.mark.parametrize("l2", [False, True])
def test_raw_latents_are_codes_and_priors_learn_their_rows(l2):
    bottleneck, h = quantizer(l2=l2), features()
    encoded = bottleneck(h)
    assert torch.equal(encoded.raw, encoded.codes)
    assert torch.equal(bottleneck.latent(encoded.raw), encoded.latent)
    assert torch.equal(bottleneck.decodable(encoded.latent), encoded.latent)


@pytest.mark.parametrize("l2", [False, True])
def test_unquantised_priors_see_the_latent_before_and_decoders_after(l2):
    bottleneck, h = quantizer(l2=l2, unquantized=True), features()
    encoded = bottleneck(h)
    expected = normalize(h, dim=1) if l2 else h
    torch.testing.assert_close(bottleneck.latent(encoded.raw), expected)
    for latent in (encoded.raw, encoded.latent):  # quantising twice changes nothing
        assert torch.equal(bottleneck.decodable(latent), encoded.latent)
    assert torch.equal(bottleneck.codes_to_latent(encoded.codes), encoded.latent)


def test_l2_ignores_lengths_of_tokens_and_rows():
    bottleneck, h = quantizer(l2=True), features()
    before = bottleneck(h)
    with torch.no_grad():
        bottleneck.codebook *= torch.rand(40, 1).double() + 0.1
    after = bottleneck(h * (torch.rand(2, 1, 4, 4) + 0.1))
    assert torch.equal(before.codes, after.codes)
    torch.testing.assert_close(before.latent, after.latent)
    torch.testing.assert_close(before.losses, after.losses)


def test_a_row_is_its_own_code_without_loss():
    bottleneck = quantizer()
    codes = torch.randint(40, (2, 4, 4, 1))
    encoded = bottleneck(bottleneck.codes_to_latent(codes).detach())
    assert torch.equal(encoded.codes, codes)
    assert encoded.losses["codebook"] == 0


def test_an_unknown_start_is_refused_by_name():
    with pytest.raises(ValueError, match="\"sphere\", got 'normal'"):
        VectorQuantizer([3, 4, 4], codes=4, init="normal")
