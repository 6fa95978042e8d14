"""Frames that are given: what networks read and learn of them, and guidance by them."""

import pytest
import torch
from torch import nn

from ldm.networks.videos.lvdm.unet import SpaceTimeUNet
from ldm.objectives import FlowMatching, Regression
from ldm.priors import Denoiser, FrameConditional
from ldm.processes import GaussianDiffusion, LinearFlow
from ldm.randomness import sample_generators
from ldm.samplers import DDIM, DDPM, Guidance
from ldm.spaces import Flat

SPACE = Flat([2, 3, 4, 4])
NOISE = {"schedule": "scaled_linear", "start": 0.0015, "end": 0.0155}


def generator():
    return torch.Generator().manual_seed(0)


def network(**options):
    """A small network whose output is not zero."""
    torch.manual_seed(0)
    small = {"width": 32, "multipliers": [1], "blocks": 1, "attention": [1], "noise_levels": 250}
    net = SpaceTimeUNet(SPACE.shape, **small, **options)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.1)
    return net.eval()


def prior(backbone=None, **options):
    process = GaussianDiffusion(SPACE, **NOISE)
    objective = Regression(absolute=True)
    return FrameConditional(backbone or network(), process, objective, **options)


class Recorder(nn.Module):
    """Predicts what it is told to; remembers what it read."""

    def __init__(self, answer=None) -> None:
        super().__init__()
        self.gain, self.answer, self.read = nn.Parameter(torch.zeros(())), answer, []

    def forward(self, noisy, t, **told):
        self.read.append((noisy, t, told))
        return self.gain * noisy if self.answer is None else self.answer(noisy, t, **told)


def test_the_process_ends_at_the_published_signal():
    signal = GaussianDiffusion(SPACE, **NOISE).alpha_bar
    assert signal[999].item() == pytest.approx(6.687e-4, rel=1e-3)
    assert signal[249].item() == pytest.approx(0.537, abs=1e-3)
    text = GaussianDiffusion(SPACE, "scaled_linear", start=0.00085, end=0.012).alpha_bar
    assert text[999].item() == pytest.approx(4.660e-3, rel=1e-3)


def test_where_all_frames_are_given_the_noise_of_the_others_counts_for_nothing(monkeypatch):
    told = prior(places=(0, 1, 2), chance=1.0)
    latent = SPACE.random(4, generator())
    drawn, losses = Flat.random, []
    for shift in (0.0, 5.0):
        shifts = iter([shift, 0.0])  # of the noise of the others, and of the given ones
        moved = lambda self, *args, shifts=shifts: drawn(self, *args) + next(shifts)  # noqa: E731
        monkeypatch.setattr(Flat, "random", moved)
        losses.append(told.loss(latent, {}, generator())["loss"])
    assert torch.equal(*losses)
    assert losses[0].min() > 0


def test_where_none_are_given_it_is_the_plain_loss_with_another_channel_of_zeros():
    net, latent = network(), SPACE.random(4, generator())
    nn.init.zeros_(net.level_embedder.embedding_table.weight)  # what it is told of no frame
    told = prior(net, chance=0.0)
    drawn = generator()
    found = told.loss(latent, {}, drawn)["loss"]
    again = generator()
    torch.rand(4, 2, generator=again)  # by which frames and their level are chosen
    plain = Denoiser(net, told.process, told.objective).loss(latent, {}, again)["loss"]
    assert torch.equal(found, plain)


def test_a_loss_counts_given_and_other_frames_by_their_own_noise():
    def exact(noisy, t, frames, frames_given, frames_level):
        given = frames_given[:, None, :, None, None]
        alpha, sigma = told.process.alpha_sigma(t)
        own = told.process.alpha_sigma(frames_level)
        eps = (noisy - alpha.view(-1, 1, 1, 1, 1) * latent) / sigma.view(-1, 1, 1, 1, 1)
        eps_given = (frames - own[0].view(-1, 1, 1, 1, 1) * latent) / own[1].view(-1, 1, 1, 1, 1)
        return torch.where(given, eps_given, eps)

    told, latent = prior(Recorder(exact), places=(0, -1), chance=0.5), SPACE.random(64, generator())
    assert told.loss(latent, {}, generator())["loss"].max() < 1e-3
    ((_, _, read),) = told.backbone.read
    patterns = {tuple(row) for row in read["frames_given"].tolist()}
    assert patterns == {(True, False, True), (False, False, False)}
    share = read["frames_given"][:, 0].float().mean()
    assert 0.3 < share < 0.7
    assert read["frames_level"].min() >= 0
    assert 200 < read["frames_level"].max() < 250


def test_a_completed_clip_keeps_what_is_given_and_its_network_reads_it_noised():
    told = prior(Recorder(), level=100)
    frames, given = SPACE.random(2, generator()), torch.tensor([True, False, False])
    drawn = told.complete(frames, given, {}, DDIM(4), sample_generators(0, [0, 1]))
    assert torch.equal(drawn[:, :, 0], frames[:, :, 0])
    assert not torch.isclose(drawn[:, :, 1:], frames[:, :, 1:]).any()
    read = [one[2] for one in told.backbone.read]
    assert all(one["frames_level"].tolist() == [100, 100] for one in read)
    assert all(torch.equal(one["frames"], read[0]["frames"]) for one in read)
    alpha, sigma = told.process.alpha_sigma(torch.tensor([100]))
    noise = (read[0]["frames"] - alpha * frames) / sigma
    assert 0.7 < noise.std() < 1.3


def test_without_levels_frames_are_given_as_they_are_beside_a_clip_whose_noise_is_its_own():
    def exact(noisy, t, frames, frames_given, **_):
        assert torch.equal(frames, latent)
        alpha, sigma = (one.view(-1, 1, 1, 1, 1) for one in told.process.alpha_sigma(t))
        return (noisy - alpha * latent) / sigma

    plain = {"places": (0, -1), "levels": None}
    told, latent = prior(Recorder(exact), chance=1.0, **plain), SPACE.random(8, generator())
    assert told.loss(latent, {}, generator())["loss"].max() < 1e-3
    drawn = prior(Recorder(), **plain)
    kept = drawn.complete(latent, drawn.given, {}, DDIM(3), generator())
    assert torch.equal(kept[:, :, [0, -1]], latent[:, :, [0, -1]])
    assert all(torch.equal(read["frames"], latent) for _, _, read in drawn.backbone.read)


def guided(told, scale, given):
    """A prediction from fixed noisy latents."""
    frames = SPACE.random(2, generator())
    condition = {
        "frames": frames,
        "frames_given": torch.tensor(given).expand(2, -1),
        "frames_level": torch.tensor([100, 100]),
    }
    denoise = Guidance(scale)(told.denoise, told.conditioning.null, told.process)
    return denoise(frames + 1, torch.tensor([500, 500]), condition).eps


@torch.no_grad()
def test_both_published_forms_of_guidance_are_scales():
    """eps_c + w (eps_c - eps_u) is a scale of 1 + w, and eps_c + w (eps_u - eps_c) one of 1 - w."""
    told, first = prior(), [True, False, False]
    frames = SPACE.random(2, generator())
    at = frames + 1, torch.tensor([500, 500])
    conditional, unconditional = guided(told, 1.0, first), told.denoise(*at, {}).eps
    assert (conditional - unconditional).abs().max() > 1e-3
    for w in (-1.0, 0.1, 2.0):
        original, ours = guided(told, 1 + w, first), guided(told, 1 - w, first)
        wide = {"rtol": 0, "atol": 1e-4}
        assert torch.allclose(original, conditional + w * (conditional - unconditional), **wide)
        assert torch.allclose(ours, conditional + w * (unconditional - conditional), **wide)
    assert torch.allclose(guided(told, 0.0, first), unconditional, rtol=0, atol=1e-5)


@torch.no_grad()
def test_guided_samples_of_any_sampler_keep_what_is_given():
    told, frames = prior(), SPACE.random(2, generator())
    given = torch.tensor([True, False, True])
    for sampler in (DDIM(3), DDPM(3)):
        drawn = told.complete(frames, given, {}, sampler, generator(), Guidance(1.1))
        assert torch.equal(drawn[:, :, [0, 2]], frames[:, :, [0, 2]])
        assert drawn.isfinite().all()


def test_what_cannot_be_learned_so_is_refused():
    diffusion, flow = GaussianDiffusion(SPACE, **NOISE), LinearFlow(SPACE)
    with pytest.raises(ValueError, match="one of the steps of a GaussianDiffusion"):
        FrameConditional(network(), flow, FlowMatching())
    with pytest.raises(ValueError, match="level=250 of levels=250"):
        FrameConditional(network(), diffusion, Regression(), level=250)
    with pytest.raises(ValueError, match="with target=eps"):
        FrameConditional(network(), diffusion, Regression("v"))
    with pytest.raises(ValueError, match=r"probability in \[0, 1\]"):
        FrameConditional(network(), diffusion, Regression(), chance=2.0)
