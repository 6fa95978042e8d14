"""Clips drawn by windows that overlap, from a prior of one window."""

import pytest
import torch
from torch import nn

from ldm.objectives import Regression
from ldm.priors import Denoiser, Extended
from ldm.processes import GaussianDiffusion, LinearFlow
from ldm.randomness import sample_generators
from ldm.samplers import DDIM, DDPM, Likelihood
from ldm.spaces import Flat
from ldm.tensors import like

WINDOW = Flat([1, 4])
PROCESS = GaussianDiffusion(WINDOW, "linear", steps=50)


class Constant(nn.Module):
    """The exact noise of windows that are the same all along, at a height of standard normals."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, noisy, t):
        alpha, sigma = (like(scale, noisy) for scale in PROCESS.alpha_sigma(t))
        length = noisy.shape[2]
        height = alpha * noisy.sum(2, keepdim=True) / (length * alpha**2 + sigma**2)
        return self.one * (noisy - alpha * height) / sigma


def extended(windows, **options):
    return Extended(Constant(), PROCESS, Regression("eps"), windows=windows, **options)


def test_windows_go_on_from_what_they_have_in_common():
    prior = extended(3, overlap=2, resamplings=4)
    drawn = prior.sample(16, {}, DDIM(50), sample_generators(0, range(16)))
    assert prior.space.shape == drawn.shape[1:] == (1, 12)
    assert drawn[:, 0, 0].std() > 0.5  # clips differ
    assert drawn.std(2).max() < 0.1  # and each is the same all along
    assert prior.network_calls >= 50 + 4 * 50


def test_longer_clips_begin_as_shorter_ones_and_the_first_window_as_that_of_a_denoiser():
    def drawn(prior):
        return prior.sample(2, {}, DDPM(10), sample_generators(0, [0, 1]))

    alone = drawn(Denoiser(Constant(), PROCESS, Regression("eps")))
    assert torch.equal(drawn(extended(1)), alone)
    assert torch.equal(drawn(extended(3))[:, :, :8], drawn(extended(2)))
    assert torch.equal(drawn(extended(2))[:, :, :4], alone)


def test_clips_of_several_windows_have_no_density_and_one_window_has_that_of_a_denoiser():
    window = torch.randn(2, 1, 4, generator=torch.Generator().manual_seed(0))
    process = LinearFlow(WINDOW)
    alone, prior = (
        kind(Constant(), process, Regression("velocity")) for kind in (Denoiser, Extended)
    )
    expected = alone.log_prob(window, {}, Likelihood(2))
    assert torch.equal(prior.log_prob(window, {}, Likelihood(2)), expected)
    clip = torch.cat([window, window], 2)
    for asked in (
        lambda prior: prior.log_prob(clip, {}, Likelihood(2)),
        lambda prior: prior.bound(clip, {}),
        lambda prior: prior.transport(clip, {}, DDIM(2)),
    ):
        with pytest.raises(ValueError, match=r"no density and no inverse: .* got 8 latents"):
            asked(extended(2))


def test_windows_that_do_not_go_on_are_refused():
    with pytest.raises(ValueError, match="1 to 3 in common"):
        extended(2, overlap=4)
    with pytest.raises(ValueError, match="1 to 3 in common"):
        extended(2, overlap=0)
