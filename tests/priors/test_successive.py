"""Clips drawn window after window, each told the one before."""

import pytest
import torch
from torch import nn

from ldm.conditioning import Conditioning, Labels
from ldm.objectives import FlowMatching, Regression
from ldm.priors import Denoiser, Successive
from ldm.processes import GaussianDiffusion, GeodesicFlow, LinearFlow
from ldm.randomness import sample_generators
from ldm.samplers import DDPM, EulerODE, Guidance, Likelihood, PerWindow
from ldm.spaces import Flat, Sphere
from ldm.tensors import like

WINDOW = Flat([2, 3, 1])


def generator():
    return torch.Generator().manual_seed(0)


class Next(nn.Module):
    """The exact velocity where each window is the one before plus 1; remembers what it read."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.ones(()))
        self.read = []

    def forward(self, noisy, t, previous, label=None):
        self.read.append((noisy, t, previous, label))
        return (previous + self.step - noisy) / like(1 - t, noisy)


class Read(nn.Module):
    """Predicts no noise, and remembers the windows before."""

    def __init__(self) -> None:
        super().__init__()
        self.gain, self.previous = nn.Parameter(torch.zeros(())), []

    def forward(self, noisy, t, previous):
        self.previous.append(previous)
        return self.gain * noisy


def chain(windows, **options):
    return Successive(
        Next(), LinearFlow(WINDOW), Regression("velocity"), windows=windows, **options
    )


def numbered(n, windows):
    """Latents of clips whose windows hold their numbers, from 1."""
    numbers = torch.arange(1.0, windows + 1).repeat_interleave(3).view(1, 1, -1, 1)
    return numbers.expand(n, 2, -1, 1)


def test_each_window_is_told_the_one_before_and_the_first_none():
    prior = chain(4)
    assert prior.space == Flat([2, 12, 1])
    drawn = prior.sample(5, {}, EulerODE(2), generator())
    assert torch.allclose(drawn, numbered(5, 4), atol=1e-5)
    assert prior.network_calls == 8


def test_longer_clips_begin_as_shorter_ones():
    def drawn(windows):
        process = GaussianDiffusion(WINDOW, steps=20)
        prior = Successive(Read(), process, Regression("eps"), windows=windows)
        return prior.sample(2, {}, DDPM(4), sample_generators(0, [0, 1]))

    assert torch.equal(drawn(5)[:, :, :6], drawn(2))


@pytest.mark.parametrize("told", [0.0, 1.0])
def test_a_batch_is_told_the_windows_before_its_own_or_none(told):
    class Noiseless(GaussianDiffusion):
        def mix(self, latent, eps, t):
            self.latent = latent
            return latent

    process = Noiseless(WINDOW, steps=20)
    prior = Successive(Read(), process, Regression("eps"), None, 3, told)
    prior.loss(numbered(64, 3), {}, generator())
    window, (previous,) = process.latent, prior.backbone.previous
    numbers, before = window[:, 0, 0, 0], previous[:, 0, 0, 0]
    assert set(numbers.tolist()) == ({2.0, 3.0} if told else {1.0, 2.0, 3.0})
    assert torch.equal(before, numbers - 1 if told else torch.zeros(64))


def test_the_share_of_batches_that_are_told_is_that_asked_for():
    prior = Successive(Read(), GaussianDiffusion(WINDOW, steps=20), Regression("eps"), None, 2, 0.3)
    one = generator()
    for _ in range(200):
        prior.loss(numbered(4, 2), {}, one)
    told = torch.stack([previous[:, 0, 0, 0] for previous in prior.backbone.previous])
    assert ((told == 0).all(1) | (told == 1).all(1)).all()  # once for the whole batch
    assert 45 <= told[:, 0].sum() <= 75  # 60 and two standard deviations of 6.5


def test_one_window_is_never_told():
    prior = Successive(Read(), GaussianDiffusion(WINDOW, steps=20), Regression("eps"), told=1.0)
    prior.loss(numbered(4, 1), {}, generator())
    assert not prior.backbone.previous[0].any()


def test_one_window_is_the_denoiser_of_it():
    class Plain(Read):
        def forward(self, noisy, t):
            return 0.5 * noisy

    class Deaf(Read):
        def forward(self, noisy, t, previous):
            return 0.5 * noisy

    process = GaussianDiffusion(WINDOW, steps=20)
    plain = Denoiser(Plain(), process, Regression("eps"))
    alone = Successive(Deaf(), process, Regression("eps"))
    drawn = [one.sample(3, {}, DDPM(4), sample_generators(1, range(3))) for one in (plain, alone)]
    assert torch.equal(*drawn)


def test_guidance_exaggerates_what_the_window_before_changes():
    # (1 + w) v(previous) - w v(0): one window after c is c + 1 + w c.
    drawn = chain(3).sample(2, {}, EulerODE(1), generator(), Guidance(1.5))
    assert torch.allclose(drawn[:, :, ::3], torch.tensor([1.0, 2.5, 4.75]).view(1, 1, 3, 1))


def test_labels_reach_every_window():
    prior = chain(2, conditioning=Conditioning(label=Labels(3)))
    prior.sample(2, {"label": torch.tensor([0, 2])}, EulerODE(1), generator())
    assert all(torch.equal(label, torch.tensor([0, 2])) for *_, label in prior.backbone.read)


def test_windows_after_the_first_have_a_sampler_of_their_own():
    prior = chain(3)
    prior.sample(1, {}, PerWindow(EulerODE(5), EulerODE(2)), generator())
    assert prior.network_calls == 5 + 2 + 2


def test_the_density_of_a_clip_is_the_product_of_its_windows():
    class Shift(nn.Module):
        """Constant velocity `previous + 1`: a normal around it."""

        def __init__(self) -> None:
            super().__init__()
            self.step = nn.Parameter(torch.ones(()))

        def forward(self, noisy, t, previous):
            return previous + self.step + 0 * noisy

    prior = Successive(Shift(), LinearFlow(WINDOW), Regression("velocity"), windows=2)
    x = torch.randn(4, 2, 6, 1)
    first, second = x.chunk(2, 2)
    exact = WINDOW.log_density(first - 1) + WINDOW.log_density(second - first - 1)
    found = prior.log_prob(x, {}, Likelihood(steps=2))
    assert torch.allclose(found.float(), exact, atol=1e-4)


def test_spaces_without_an_axis_of_windows_are_refused():

    with pytest.raises(ValueError, match="grids of reals"):
        Successive(Read(), GeodesicFlow(Sphere(2)), FlowMatching())
    with pytest.raises(ValueError, match="probability"):
        chain(2, told=2.0)
