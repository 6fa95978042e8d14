"""Noise that diffusers draws is that of the space: of its samples' own places and generators."""

from functools import partial

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from modalities.centred_sets import CentredSets

from ldm.processes import Denoised, GaussianDiffusion
from ldm.randomness import normal, sample_generators
from ldm.samplers import DiffusersScheduler
from ldm.samplers.space_noise import SpaceNoise
from ldm.spaces import Flat


@pytest.mark.parametrize(
    ("scheduler", "options"),
    [
        (DDPMScheduler, {}),
        (partial(DDPMScheduler, variance_type="fixed_large"), {}),
        (DDIMScheduler, {"eta": 1.0}),
        (partial(DPMSolverMultistepScheduler, algorithm_type="sde-dpmsolver++"), {}),
    ],
    ids=["ddpm", "ddpm large", "ddim", "sde"],
)
def test_samples_do_not_depend_on_padding(scheduler, options):
    def denoise(x, t, condition):
        return Denoised(0.5 * x, 0.8 * x)

    def sample(places: int) -> torch.Tensor:
        mask = torch.arange(places) < torch.tensor([[3], [5]])
        process = GaussianDiffusion(CentredSets(places).on({"mask": mask}), "linear")
        start = process.random(2, sample_generators(0, [0, 1]))
        sampler = DiffusersScheduler(partial(scheduler, timestep_spacing="trailing"), 6, **options)
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
