"""Closed forms of adversarial losses, adaptive weights, and which module gets gradients."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.testing import assert_close

from ldm.losses import Adversarial, Adversaries, GradientPenalty, LeCam
from ldm.losses.adversarial import DISCRIMINATOR_LOSSES, GENERATOR_LOSSES
from ldm.networks.images.patchgan import PatchGAN

law = settings(max_examples=20, deadline=None)


def logits(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(4, 1, 5, 6, generator=generator, dtype=torch.float64)


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.SiLU())
        self.last = nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.last(self.body(z))


class Setting:
    """A small autoencoder's decoder, a discriminator, and one batch."""

    def __init__(self, **options) -> None:
        torch.manual_seed(0)
        self.decoder = Decoder()
        discriminator = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.SiLU(), nn.Conv2d(4, 1, 4, 2, 1))
        options = {"generator": "hinge", "discriminator_loss": "hinge", "weight": 0.5, **options}
        self.adversarial = Adversarial(discriminator, **options)
        self.x, self.z = torch.randn(2, 3, 16, 16), torch.randn(2, 2, 16, 16)

    def generator_loss(self, samples: int = 0, scale: float = 1.0):
        y = self.decoder(self.z)
        nll = scale * (y - self.x).abs().mean()
        last = self.decoder.last.weight
        return self.adversarial.generator_loss(self.x, y, nll, last, samples)

    def gradients(self, module: nn.Module) -> list[torch.Tensor | None]:
        return [p.grad for p in module.parameters()]


def test_losses_have_their_known_values_at_zero_logits():
    zero = torch.zeros(2, 1, 3, 3)
    assert GENERATOR_LOSSES["hinge"](zero) == 0
    assert GENERATOR_LOSSES["vanilla"](zero).item() == pytest.approx(math.log(2))
    assert GENERATOR_LOSSES["non_saturating"](zero).item() == pytest.approx(math.log(2))
    assert DISCRIMINATOR_LOSSES["hinge"](zero, zero) == 1
    assert DISCRIMINATOR_LOSSES["vanilla"](zero, zero).item() == pytest.approx(math.log(2))
    assert DISCRIMINATOR_LOSSES["non_saturating"](zero, zero).item() == pytest.approx(math.log(2))


@law
@given(seed=st.integers(0, 2**31))
def test_hinge_is_zero_beyond_its_margins(seed):
    beyond = 1 + logits(seed).abs()
    assert DISCRIMINATOR_LOSSES["hinge"](beyond, -beyond) == 0
    assert DISCRIMINATOR_LOSSES["hinge"](-beyond, beyond) == (1 + beyond).mean()


@law
@given(seed=st.integers(0, 2**31))
def test_vanilla_equals_binary_cross_entropy(seed):
    real, fake = logits(seed), logits(seed + 1)
    bce, one, zero = binary_cross_entropy_with_logits, torch.ones_like(real), torch.zeros_like(real)
    expected = (bce(real, one) + bce(fake, zero)) / 2
    assert_close(DISCRIMINATOR_LOSSES["vanilla"](real, fake), expected)
    assert_close(GENERATOR_LOSSES["vanilla"](fake), bce(fake, one))


@law
@given(seed=st.integers(0, 2**31))
def test_non_saturating_uses_the_mean_logit_of_each_sample(seed):
    real, fake = logits(seed), logits(seed + 1)
    generator, discriminator = GENERATOR_LOSSES["vanilla"], DISCRIMINATOR_LOSSES["vanilla"]
    means = [x.mean((1, 2, 3)).view(-1, 1) for x in (real, fake)]
    assert_close(GENERATOR_LOSSES["non_saturating"](fake), generator(means[1]))
    assert_close(DISCRIMINATOR_LOSSES["non_saturating"](real, fake), discriminator(*means))
    # By Jensen's inequality it is strictly below the mean over different patches.
    assert GENERATOR_LOSSES["non_saturating"](fake) < generator(fake)


@pytest.mark.parametrize("name", GENERATOR_LOSSES)
def test_generator_losses_decrease_in_the_logits(name):
    fake = logits(0).requires_grad_()
    GENERATOR_LOSSES[name](fake).backward()
    assert (fake.grad < 0).all()


def test_the_adaptive_weight_balances_the_gradients_at_the_last_layer():
    setting = Setting(adaptive="gsq", weight=0.25)
    last = setting.decoder.last.weight
    y = setting.decoder(setting.z)
    nll = (y - setting.x).abs().mean()
    loss, stats = setting.adversarial.generator_loss(y.detach(), y, nll, last, 0)
    (of_nll,) = torch.autograd.grad(nll, last, retain_graph=True)
    (of_loss,) = torch.autograd.grad(loss, last)
    assert_close(of_loss.norm(), 0.25 * of_nll.norm())
    assert_close(loss.detach(), stats["adversarial_weight"] * stats["generator"])


def test_the_weight_doubles_with_the_reconstruction_loss():
    setting = Setting(adaptive="vqgan")
    once, twice = (setting.generator_loss(scale=s)[1]["adversarial_weight"] for s in (1, 2))
    assert_close(twice, 2 * once)


def test_without_adaptive_weight_the_loss_is_multiplied_by_the_weight():
    loss, stats = Setting(weight=0.1).generator_loss()
    assert_close(loss.detach(), 0.1 * stats["generator"])
    assert stats["adversarial_weight"].item() == pytest.approx(0.1)


def test_the_generator_step_moves_only_the_decoder():
    setting = Setting(adaptive="vqgan")
    loss, stats = setting.generator_loss()
    loss.backward()
    assert all(g.abs().sum() > 0 for g in setting.gradients(setting.decoder))
    assert setting.gradients(setting.adversarial) == [None] * 4
    assert not any(value.requires_grad for value in stats.values())


def test_the_discriminator_step_moves_only_the_discriminator():
    setting = Setting(
        discriminator_loss="vanilla"
    )  # with hinge the gradient of the last bias is zero
    setting.adversarial.discriminator[0].weight.requires_grad_(False)  # such as a frozen backbone
    setting.generator_loss()
    fake = setting.decoder(setting.z)
    loss, stats = setting.adversarial.discriminator_loss(setting.x, fake, 0)
    loss.backward()
    frozen, *trained = setting.gradients(setting.adversarial)
    assert frozen is None
    assert all(g.abs().sum() > 0 for g in trained)
    assert setting.gradients(setting.decoder) == [None] * 4
    assert not any(value.requires_grad for value in stats.values())


@pytest.mark.parametrize("adaptive", [None, "vqgan", "gsq"])
def test_before_the_start_the_discriminator_is_not_called_and_nothing_is_trained(adaptive):
    setting = Setting(start=1000, adaptive=adaptive)
    calls = []
    setting.adversarial.discriminator.register_forward_hook(lambda *_: calls.append(1))
    loss, _ = setting.generator_loss(samples=999)
    loss.backward()
    other, _ = setting.adversarial.discriminator_loss(setting.x, setting.x, 999)
    other.backward()
    assert (loss.item(), other.item(), calls) == (0, 0, [])
    assert setting.gradients(setting.decoder) == [None] * 4
    assert setting.gradients(setting.adversarial) == [None] * 4
    assert setting.generator_loss(samples=1000)[0] != 0


def test_compiled_networks_under_autocast_take_the_same_steps():
    runs = [Setting(adaptive="vqgan", generator="vanilla", start=10) for _ in range(2)]
    runs[1].decoder.body.compile(backend="aot_eager")
    runs[1].adversarial.discriminator.compile(backend="aot_eager")
    for samples in (0, 10, 20):  # before the start, at it, after it
        losses = []
        for setting in runs:
            with torch.autocast("cpu", torch.bfloat16):
                y = setting.decoder(setting.z).float()
                nll = (y - setting.x).abs().mean()
                last = setting.decoder.last.weight
                loss, _ = setting.adversarial.generator_loss(y.detach(), y, nll, last, samples)
            assert loss.dtype == torch.float32
            (nll + loss).backward()
            losses.append(loss)
        assert_close(losses[1], losses[0], rtol=1e-2, atol=0)
        for eager, compiled in zip(*(s.gradients(s.decoder) for s in runs), strict=True):
            assert_close(compiled, eager, rtol=0.02, atol=1e-3 * eager.abs().max().item())


def test_feature_matching_is_the_difference_of_all_layers_but_the_logits():
    torch.manual_seed(0)
    patchgan = PatchGAN(width=4, layers=2, norm="none")
    adversarial = Adversarial(patchgan, "hinge", "hinge", weight=0.0, feature_matching=4.0)
    x, y = torch.randn(2, 2, 3, 16, 16).requires_grad_()
    loss, stats = adversarial.generator_loss(x, y, y.mean(), None, 0)
    real, fake = patchgan.features(x)[:-1], patchgan.features(y)[:-1]
    assert len(real) == 3
    assert_close(loss, 4 * sum((a - b).abs().mean() for a, b in zip(real, fake, strict=True)))
    assert_close(stats["feature_matching"], loss.detach())
    of_real, of_fake = torch.autograd.grad(loss, (x, y), allow_unused=True)
    assert of_real is None or not of_real.any()
    assert of_fake.any()
    alike, _ = adversarial.generator_loss(x, x.detach(), x.mean(), None, 0)
    assert alike == 0


class Brightness(nn.Module):
    """Judges images, and keeps what it saw."""

    def forward(self, x):
        self.seen = x.detach()
        return x.mean((1, 2, 3))

    def features(self, x):
        return [self(x), self(x)]


def clips(b: int = 2, t: int = 5) -> torch.Tensor:
    """Clips whose k-th frame is full of k."""
    return torch.arange(t).float().view(1, 1, t, 1, 1).expand(b, 3, t, 8, 8).contiguous()


def test_a_discriminator_of_images_judges_all_frames_or_one_of_each_clip():
    x, judge = clips(), Brightness()
    every = Adversarial(judge, "hinge", "hinge", 1.0, frames="every")
    loss, _ = every.generator_loss(x, x, x.mean(), None, 0)
    assert judge.seen.shape == (10, 3, 8, 8)
    assert loss == -2
    random = Adversarial(judge, "hinge", "hinge", 1.0, frames="random", feature_matching=1.0)
    times = set()
    for seed in range(30):
        torch.manual_seed(seed)
        # Data and reconstruction are compared at the same times.
        _, stats = random.generator_loss(x, x.clone(), x.mean(), None, 0)
        assert stats["feature_matching"] == 0
        assert judge.seen.shape == (2, 3, 8, 8)
        times |= set(judge.seen[:, 0, 0, 0].tolist())
    assert times == {0, 1, 2, 3, 4}


def test_several_adversaries_are_added():
    x = clips()
    frame = Adversarial(Brightness(), "hinge", "hinge", 2.0, start=10, frames="every")
    clip = Adversarial(nn.Flatten(), "hinge", "hinge", 3.0, start=20)
    both = Adversaries({"frame": frame, "clip": clip})
    assert both.start == 10
    for samples, expected in ((0, 0), (10, -4), (20, -10)):
        loss, stats = both.generator_loss(x, x, x.mean(), None, samples)
        assert loss == expected
        parts = [part.discriminator_loss(x, x, samples)[0] for part in (frame, clip)]
        assert both.discriminator_loss(x, x, samples)[0] == sum(parts)
    assert {"frame_generator", "clip_generator"} <= set(stats)
    with pytest.raises(ValueError, match="no adversarial loss"):
        Adversaries({})


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="Sequential has no `features` to match"):
        Setting(feature_matching=1.0)
    for option, match in [
        ({"frames": "first"}, "frames is one of every, random, or null, found 'first'"),
        ({"generator": "wgan"}, "no generator loss 'wgan': choose one of hinge, vanilla"),
        ({"discriminator_loss": "wgan"}, "no discriminator loss 'wgan'"),
        ({"adaptive": "wgan"}, "no adaptive weight 'wgan': choose one of vqgan, gsq"),
    ]:
        with pytest.raises(ValueError, match=match):
            Setting(**option)


def test_penalties_are_added_to_the_discriminators_loss_and_logged():
    penalties = {"lecam": LeCam(0.5), "gradient": GradientPenalty(2.0)}
    plain, penalised = Setting(), Setting(penalties=penalties)
    fake = plain.decoder(plain.z)
    base, _ = plain.adversarial.discriminator_loss(plain.x, fake, 0)
    loss, stats = penalised.adversarial.discriminator_loss(plain.x, fake, 0)
    assert stats["gradient"] > 0
    assert_close(loss, base + stats["lecam"] + stats["gradient"])
    loss.backward()
    # A bias of the last layer changes no gradient of the data.
    assert all(g.abs().sum() > 0 for g in penalised.gradients(penalised.adversarial)[:-1])
    assert not penalised.x.requires_grad


def test_a_lazy_penalty_is_added_at_every_so_many_steps_alone():
    setting = Setting(penalties={"lecam": LeCam(0.5), "r1": GradientPenalty(2.0, every=16)})
    fake = setting.decoder(setting.z).detach()
    for step in (0, 1, 15, 16, 17, 32):
        loss, stats = setting.adversarial.discriminator_loss(setting.x, fake, 0, step)
        terms = [stats[name] for name in ("discriminator", "lecam", "r1") if name in stats]
        assert_close(loss.detach(), sum(terms))
        assert ("r1" in stats) == (step % 16 == 0)
        assert "lecam" in stats
