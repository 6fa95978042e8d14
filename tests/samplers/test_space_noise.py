"""Noise that diffusers draws is that of the space: of its samples' own places and generators."""

from functools import partial

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from modalities.centred_sets import CentredSets

from ldm.processes import Denoised, GaussianDiffusion
from ldm.randomness import normal, sample_generators
from ldm.samplers import DDIM, DDPM, DiffusersScheduler
from ldm.samplers.space_noise import SpaceNoise
from ldm.spaces import Flat

SDE = partial(
    DPMSolverMultistepScheduler, algorithm_type="sde-dpmsolver++", timestep_spacing="trailing"
)


@pytest.mark.parametrize(
    "sampler",
    [DDPM(6), DDPM(6, variance="large"), DDIM(6, eta=1.0), DiffusersScheduler(SDE, 6)],
    ids=["ddpm", "ddpm large", "ddim", "sde"],
)
def test_samples_do_not_depend_on_padding(sampler):
    def denoise(x, t, condition):
        return Denoised(0.5 * x, 0.8 * x)

    def sample(places: int) -> torch.Tensor:
        mask = torch.arange(places) < torch.tensor([[3], [5]])
        process = GaussianDiffusion(CentredSets(places).on({"mask": mask}), "linear")
        start = process.random(2, sample_generators(0, [0, 1]))
        own = sample_generators(1, [0, 1])
        return sampler(denoise, process, start, {"mask": mask}, own)

    short, long = sample(5), sample(9)
    assert short.abs().max() > 0.1
    torch.testing.assert_close(long[:, :5], short)
    assert not long[:, 5:].any()


def test_only_normal_numbers_are_replaced():
    with SpaceNoise(Flat([3]), 2, torch.Generator().manual_seed(0), scale=2.0):
        drawn, others = torch.randn(7, dtype=torch.float64), torch.rand(7)
    again = normal((2, 3), torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(drawn, 2 * again)
    assert others.shape == (7,)
    assert torch.randn(7).shape == (7,)
