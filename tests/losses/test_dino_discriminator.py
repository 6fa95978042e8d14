"""The discriminator on DINOv2: its published size, what it trains, and what its images are."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ldm.losses import Adversarial, DINODiscriminator, dino_discriminator
from ldm.networks.images.vision_transformer import VisionTransformer
from ldm.run.rehearsal import on_meta


class Narrow(VisionTransformer):
    """A network of DINOv2's depth, with random weights."""

    def __init__(self, size, weights):
        super().__init__(width=16, depth=12, heads=2, grid=4, registers=4)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3)
        self.requires_grad_(False)


@pytest.fixture
def make(monkeypatch):
    monkeypatch.setattr(dino_discriminator, "DINOv2", Narrow)

    def made(**options) -> DINODiscriminator:
        torch.manual_seed(0)
        return DINODiscriminator(side=56, **options)

    return made


def images(n: int = 2) -> torch.Tensor:
    return torch.rand(n, 3, 28, 28, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_heads_have_their_published_size():
    with torch.device("meta"):
        discriminator = DINODiscriminator()
    assert sum(p.numel() for p in discriminator.parameters()) == 7_386_245


def test_every_token_has_a_logit_at_each_of_five_depths(make):
    assert make()(images()).shape == (2, 5 * (1 + 4 + 16))


def test_gradients_reach_the_image_and_the_heads_and_the_features_are_not_saved(make):
    discriminator, x = make(), images().requires_grad_()
    discriminator(x).square().sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is not None for p in discriminator.parameters())
    (features,) = discriminator.frozen
    assert all(p.grad is None for p in features.parameters())
    assert all(name.startswith("heads.") for name in discriminator.state_dict())


def test_it_is_rehearsed_on_meta_tensors_with_its_features_where_they_are(make):
    adversarial = Adversarial(make(), "hinge", "hinge", 0.1)
    (features,) = adversarial.frozen
    before = features.pos_embed

    def rehearsed(*shape: int) -> torch.Tensor:
        return on_meta(adversarial, lambda one: one(torch.zeros(2, *shape, device="meta")))

    assert rehearsed(3, 28, 28).is_meta
    assert rehearsed(1, 28, 28).shape == (2, 5 * (1 + 4 + 16))
    with pytest.raises((RuntimeError, ValueError)):
        rehearsed(4, 28, 28)
    assert features.pos_embed is before


def test_images_are_augmented_only_while_training(make):
    changed, plain = make(), make(augment=[])
    torch.manual_seed(1)
    assert not torch.equal(changed(images()), plain(images()))
    assert torch.equal(make().eval()(images()), make(augment=[]).eval()(images()))


def test_heads_see_tokens_on_a_circle(make):
    head = make().heads[0].eval()
    x = torch.randn(1, 16, 21)
    assert_close(head(x.roll(5, dims=2)), head(x).roll(5, dims=2))
