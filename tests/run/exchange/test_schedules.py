"""A pipeline's scheduler is read as the process, target and sampler that it stands for."""

import json

import pytest
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    PNDMScheduler,
)
from hydra.utils import instantiate

from ldm.config.compose import ConfigError
from ldm.processes import GaussianDiffusion
from ldm.processes.noise_schedules import SCHEDULES
from ldm.run.exchange.schedules import read_schedule, to_scheduler
from ldm.spaces import Flat


def read(scheduler, folder):
    scheduler.save_config(folder)
    return read_schedule(folder / "scheduler_config.json")


@pytest.mark.parametrize(
    ("options", "schedule"),
    [
        ({}, "linear"),
        ({"beta_schedule": "squaredcos_cap_v2"}, "cosine"),
        (
            {"beta_schedule": "scaled_linear", "beta_start": 0.0015, "beta_end": 0.0195},
            "scaled_linear",
        ),
        ({"trained_betas": SCHEDULES["linear"](100).tolist()}, "linear"),
    ],
)
@pytest.mark.parametrize(("theirs", "ours"), [("epsilon", "eps"), ("v_prediction", "v")])
def test_noise_levels_and_predictions_have_our_names(tmp_path, options, schedule, theirs, ours):
    found, _ = read(DDPMScheduler(prediction_type=theirs, **options), tmp_path)
    assert found["prior.process.schedule"] == schedule
    assert found["prior.process.steps"] == len(options.get("trained_betas", range(1000)))
    assert found["prior.objective.target"] == ours


def test_the_options_of_the_scheduler_stay(tmp_path):
    scheduler = DPMSolverMultistepScheduler(solver_order=3, timestep_spacing="trailing")
    found, said = read(scheduler, tmp_path)
    assert found["sampler"]["scheduler"] == {
        "_target_": "diffusers.schedulers.DPMSolverMultistepScheduler",
        "_partial_": True,
        "solver_order": 3,
        "timestep_spacing": "trailing",
    }
    assert "clipping" not in said


@pytest.mark.parametrize(
    ("scheduler", "sampler"),
    [
        (
            DDIMScheduler(timestep_spacing="trailing"),
            {"_target_": "ldm.samplers.DDIM", "spacing": "trailing", "offset": 0, "clean": True},
        ),
        (
            DDPMScheduler(variance_type="fixed_large"),
            {"_target_": "ldm.samplers.DDPM", "spacing": "leading", "variance": "large"},
        ),
        (
            PNDMScheduler(skip_prk_steps=True, steps_offset=1),
            {"_target_": "ldm.samplers.PLMS", "offset": 1, "clean": False},
        ),
    ],
    ids=["ddim", "ddpm", "plms"],
)
def test_schedulers_that_are_our_own_come_and_go_with_their_options(tmp_path, scheduler, sampler):
    found = read(scheduler, tmp_path)[0]["sampler"]
    assert found.items() >= sampler.items()
    again = to_scheduler(instantiate(found), GaussianDiffusion(Flat([1])))
    kept = ("timestep_spacing", "steps_offset", "set_alpha_to_one", "variance_type")
    for key in (key for key in kept if key in scheduler.config):
        assert again.config[key] == scheduler.config[key]


def test_clipping_is_said_not_to_be_taken_over(tmp_path):
    assert "not its clipping" in read(DDIMScheduler(), tmp_path)[1]


@pytest.mark.parametrize(
    ("schedule", "start", "end"),
    [("linear", 2e-4, 0.03), ("scaled_linear", 0.00085, 0.012), ("scaled_linear", 0.0015, 0.0195)],
)
def test_the_ends_of_a_schedule_are_read(tmp_path, schedule, start, end):
    betas = {"beta_schedule": schedule, "beta_start": start, "beta_end": end}
    settings = read(DDIMScheduler(**betas), tmp_path)[0]
    named = {"schedule": schedule, "start": start, "end": end}
    assert (
        settings.items() >= {f"prior.process.{key}": value for key, value in named.items()}.items()
    )


def test_other_noise_levels_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="noise levels or prediction no process here has"):
        read(DDIMScheduler(rescale_betas_zero_snr=True), tmp_path)
    (tmp_path / "scheduler_config.json").write_text(json.dumps({"_class_name": "Nothing"}))
    with pytest.raises(ConfigError, match="is a Nothing"):
        read_schedule(tmp_path / "scheduler_config.json")
