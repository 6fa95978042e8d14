"""Walks of any number of steps end at clean data, nearer to the exact law the more there are."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from ldm.processes import GaussianDiffusion
from ldm.samplers import DDPM, Sampler
from ldm.samplers.spacing import spaced
from ldm.samplers.time_steps import set_time_steps
from ldm.spaces import Flat

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "sampler"
OWN = ["ddim", "ddpm", "plms"]
SCHEDULERS = ["dpm_solver", "unipc", "euler", "heun"]
SPACINGS = ["trailing", "leading", "linspace"]


class Axes(Flat):
    """A space whose n-th draw is the n-th unit vector.

    A linear walk ends at the coefficients of all noise that was drawn: their squares add up to the
    variance of its samples, without any sampling error.
    """

    def __init__(self, draws: int) -> None:
        super().__init__([draws])
        self.drawn = 0

    def random(self, n, generator=None, device=None, dtype=torch.float64):
        self.drawn += 1
        return torch.eye(self.dim)[None, self.drawn - 1].to(dtype)


def deviation(data, sampler: Sampler, steps: int, schedule="cosine", **numbers) -> float:
    """Standard deviation of the samples, exact but for float64 or float32 arithmetic."""
    space = Axes(sampler.steps + 2)
    process = GaussianDiffusion(space, schedule, steps, **numbers)
    x = sampler(data.denoise(process), process, space.random(1), {})
    return x.double().norm().item()


def shipped(name: str, spacing: str, **changes) -> Sampler:
    own = {"spacing": spacing} if name in OWN else {"scheduler": {"timestep_spacing": spacing}}
    return instantiate(OmegaConf.merge(OmegaConf.load(CONFIGS / f"{name}.yaml"), own, changes))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(
    ("name", "options"),
    [("ddim", {"eta": 0.5}), ("ddim", {"eta": 1.0}), *((name, {}) for name in OWN + SCHEDULERS)],
    ids=str,
)
def test_twice_as_many_steps_are_never_worse(name, options, spacing, data):
    data.mean, data.std = 0.0, 0.3
    error = {}
    for steps in (1, 2, 7, 14, 30, 60):
        sampler = shipped(name, spacing, steps=steps, **options)
        error[steps] = abs(deviation(data, sampler, 60) - data.std)
    for steps in (1, 7, 30)[name == "plms" :]:  # it extrapolates from two steps or more
        # Errors of both signs may cancel for some number of steps, to less than those of any other.
        assert error[2 * steps] < max(error[steps], 0.02 * data.std)
    assert error[60] < 0.1 * data.std  # step 0 has noise of its own


@pytest.mark.parametrize("name", OWN + SCHEDULERS)
def test_every_number_of_steps_is_about_as_good_as_one_less_or_better(name, data):
    data.mean, data.std = 0.0, 0.3
    numbers = {"start": 0.005, "end": 0.6}
    error = [
        abs(deviation(data, shipped(name, "trailing", steps=n), 16, "linear", **numbers) - data.std)
        for n in range(1, 17)
    ]
    assert all(more < fewer + 0.2 * data.std for fewer, more in pairwise(error))
    assert error[-1] < 0.3 * data.std


@pytest.mark.parametrize(
    ("spacing", "steps"), [("trailing", 150), ("linspace", 256), ("leading", 600)]
)
def test_ddim_leaves_no_noise_where_steps_do_not_divide_the_schedule(spacing, steps, data):
    data.mean, data.std = 0.0, 0.1
    found = deviation(data, shipped("ddim", spacing, steps=steps), 1000, "linear")
    assert 0.09 < found < 0.1


def test_ddpm_with_large_variances_ends_at_clean_data(data):
    data.mean, data.std = 0.0, 0.01
    # Noise of the last step's whole variance would be 0.09.
    assert deviation(data, DDPM(50, variance="large"), 1000, "linear") < 0.01


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", ["own", *SCHEDULERS])
def test_time_steps_are_whole_and_fall_from_noise_for_every_number(name, spacing):
    process = GaussianDiffusion(Flat([1]), "linear", 40)
    for steps in range(1, 41):
        times = spaced(spacing, 40, steps)
        if name != "own":
            build = shipped(name, spacing).scheduler
            scheduler = build(num_train_timesteps=40, trained_betas=process.betas.numpy())
            set_time_steps(scheduler, process, steps, torch.device("cpu"))
            times = scheduler.timesteps
        assert len(times.unique()) == steps
        assert torch.equal(times, times.sort(descending=True).values)
        assert torch.equal(times, times.round())
        assert times[-1] >= 0
        assert times[0] <= 39
        assert times[0] >= 39 - (40 // steps if spacing == "leading" and steps > 1 else 0)


@pytest.mark.parametrize("steps", [20, 100, 200, 400])
def test_times_of_pvdm_are_rounded_down(steps):
    times = torch.linspace(-1, 999, steps + 1, dtype=torch.float64).int().flip(0)
    assert times[-1] == -1  # clean data, where steps end
    assert spaced("floored", 1000, steps).tolist() == times[:-1].tolist()


def test_an_offset_beyond_the_last_step_takes_that_one():
    assert spaced("leading", 10, 10, offset=1).tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("name", ["dpm_solver", "unipc", "euler", "heun"])
def test_a_spacing_by_noise_levels_asks_whole_steps_at_their_own_levels(name, data):
    data.mean, data.std = 0.0, 0.3
    sampler = shipped(name, "trailing", steps=40, scheduler={"use_karras_sigmas": True})
    assert deviation(data, sampler, 1000, "linear") == pytest.approx(0.3, abs=0.04)
