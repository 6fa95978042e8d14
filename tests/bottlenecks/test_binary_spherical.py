"""The binary spherical quantiser."""

import math

import torch
from torch.nn.functional import normalize
from torch.testing import assert_close

from ldm.bottlenecks import BinarySphericalQuantizer, LookupFreeQuantizer
from ldm.spaces import Flat, Power, Sphere


def features() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 6, 4, 4, generator=generator, dtype=torch.float64)


def test_latents_are_corners_on_the_sphere_with_the_codes_of_signs():
    encoded = BinarySphericalQuantizer([6, 4, 4])(features())
    assert_close(encoded.latent.norm(dim=1), torch.ones(2, 4, 4).double())
    lookup_free = LookupFreeQuantizer([6, 4, 4])(features())
    assert torch.equal(encoded.codes, lookup_free.codes)
    assert_close(encoded.latent, lookup_free.latent / math.sqrt(6))


def test_the_error_of_quantisation_is_its_closed_form():
    u = normalize(features(), dim=1)
    q = BinarySphericalQuantizer([6, 4, 4])(features()).latent
    error = (u - q).square().sum(1)
    assert_close(error, 2 - 2 * u.abs().sum(1) / math.sqrt(6))
    assert error.max() < 2 - 2 / math.sqrt(6)


def test_gradients_are_those_of_the_normalised_token_over_the_root_of_the_channels():
    h, weight = features().requires_grad_(), features().flip(0)
    (BinarySphericalQuantizer([6, 4, 4])(h).latent * weight).sum().backward()
    u = normalize(h.detach(), dim=1)
    expected = (weight - (weight * u).sum(1, keepdim=True) * u) / h.detach().norm(dim=1)[:, None]
    assert_close(h.grad, expected / math.sqrt(6))


def test_losses_match_their_formulas():
    options = {"beta": 0.3, "entropy": 0.5, "diversity": 0.8, "temperature": 0.1, "together": 1}
    losses = BinarySphericalQuantizer([6, 4, 4], **options)(features()).losses
    u = normalize(features(), dim=1)
    q = torch.where(u > 0, 1.0, -1.0) / math.sqrt(6)
    assert_close(losses["codebook"], 0.3 * (q - u).square().sum(1).mean())
    p = (4 * u / math.sqrt(6) / 0.1).sigmoid()

    def entropy(p):
        return torch.special.entr(p) + torch.special.entr(1 - p)

    certain = entropy(p).sum(1).mean()
    diverse = entropy(p.movedim(1, -1).flatten(0, -2).mean(0)).sum()
    assert_close(losses["entropy"], 0.5 * 0.1 * (certain - 0.8 * diverse))


def test_priors_learn_points_of_spheres_unless_a_flat_space_is_asked_for():
    quantizer = BinarySphericalQuantizer([6, 4, 4])
    assert quantizer.space == Power(Sphere(5), 1, [4, 4])
    quantizer.space.check(quantizer(features()).latent)
    assert BinarySphericalQuantizer([6, 4, 4], flat=True).space == Flat([6, 4, 4])
    assert BinarySphericalQuantizer([1, 4, 4]).space == Flat([1, 4, 4])
