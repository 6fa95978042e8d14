"""Schedulers of diffusers pipelines as a process, an objective and a sampler, and back."""

import inspect
import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import SchedulerMixin

from ldm.config.compose import ConfigError
from ldm.processes import GaussianDiffusion
from ldm.processes.noise_schedules import SCHEDULES
from ldm.samplers import DDIM, DDPM, PLMS, DiffusersScheduler, Sampler
from ldm.samplers.diffusers_scheduler import THE_PRIORS

__all__ = ["PREDICTIONS", "read_schedule", "to_scheduler"]

PREDICTIONS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
"""Names of a network's prediction target: ours, and those of diffusers."""

OWN = {DDIM: "DDIMScheduler", DDPM: "DDPMScheduler", PLMS: "PNDMScheduler"}
"""Samplers that are our own, and the schedulers that do the same."""

OPTIONS = {"timestep_spacing": "spacing", "steps_offset": "offset", "set_alpha_to_one": "clean"}
"""Options of theirs by the names that ours have."""

VARIANCES = {"small": "fixed_small", "large": "fixed_large"}
"""DDPM's variances by the names that theirs have."""


def read_schedule(path: Path) -> tuple[dict[str, Any], str]:
    """Read the settings of a prior and its sampler from a `scheduler_config.json`.

    Returns:
        Values by their keys in a configuration, and what is not taken over, in words.

    Raises:
        ConfigError: no process of ours has these noise levels, or there is no such prediction.
    """
    config = json.loads(path.read_text())
    name = config.get("_class_name")
    kind = getattr(diffusers.schedulers, str(name), None)
    targets = {theirs: ours for ours, theirs in PREDICTIONS.items()}
    target = targets.get(config.get("prediction_type", "epsilon"))
    betas = getattr(kind.from_config(config), "betas", None) if kind else None
    schedule, numbers = _named(betas) if betas is not None else (None, {})
    if schedule is None or target is None:
        raise ConfigError(
            f"{path} is a {name} whose noise levels or prediction no process here has: they are "
            f"{', '.join(SCHEDULES)} and {', '.join(targets)}"
        )
    defaults = {key: p.default for key, p in inspect.signature(kind).parameters.items()}
    own = {
        key: value
        for key, value in config.items()
        if key in defaults and key not in THE_PRIORS and value != defaults[key]
    }
    sampler = {"_target_": "ldm.samplers.DiffusersScheduler", "steps": 50}
    for kind, other in OWN.items():
        if other == name:
            sampler["_target_"] = f"ldm.samplers.{kind.__name__}"
            sampler |= _options({**defaults, **own})
    if sampler["_target_"].endswith("DiffusersScheduler"):
        partial = {"_target_": f"diffusers.schedulers.{name}", "_partial_": True, **own}
        sampler["scheduler"] = partial
    settings = {
        "prior.process.schedule": schedule,
        **{f"prior.process.{key}": value for key, value in numbers.items()},
        "prior.process.steps": len(betas),
        "prior.objective.target": target,
        "sampler": sampler,
    }
    clips = "; not its clipping of latents to [-1, 1]" if config.get("clip_sample") else ""
    return settings, f"sampler: {name} of the pipeline{clips}"


def _named(betas: torch.Tensor) -> tuple[str | None, dict[str, float]]:
    """Find the schedule of these betas, and its ends where these differ between models."""
    ends = {"start": float(f"{betas[0]:.5g}"), "end": float(f"{betas[-1]:.5g}")}
    plain = [(each, {}) for each in SCHEDULES]
    tries = [("scaled_linear", ends), *plain, ("linear", ends)]
    for schedule, numbers in tries:
        ours = SCHEDULES[schedule](len(betas), **numbers).to(betas)
        if torch.allclose(ours, betas, rtol=1e-4, atol=1e-7):
            return schedule, numbers
    return None, {}


def _options(theirs: dict[str, Any]) -> dict[str, Any]:
    """Options of a sampler of our own, from those of the scheduler that does the same."""
    ours = {OPTIONS[key]: value for key, value in theirs.items() if key in OPTIONS}
    variances = {other: name for name, other in VARIANCES.items()}
    if "variance_type" in theirs:
        ours["variance"] = variances.get(theirs["variance_type"], "small")
    return ours


def to_scheduler(sampler: Sampler, process: GaussianDiffusion) -> SchedulerMixin | None:
    """Build the scheduler that walks as a sampler does; None where diffusers has none."""
    if isinstance(sampler, DiffusersScheduler):
        return sampler.build(process, torch.device("cpu"))
    name = OWN.get(type(sampler))
    if name is None:
        return None
    kind = getattr(diffusers.schedulers, name)
    known = inspect.signature(kind).parameters
    given = {
        **{theirs: getattr(sampler, ours, None) for theirs, ours in OPTIONS.items()},
        "variance_type": VARIANCES.get(getattr(sampler, "variance", "")),
        "clip_sample": False,
        "skip_prk_steps": True,
        "num_train_timesteps": process.steps,
    }
    return kind(**{key: value for key, value in given.items() if key in known})
