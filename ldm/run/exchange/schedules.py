"""Reading the scheduler of a diffusers pipeline as a process, an objective and a sampler."""

import inspect
import json
from pathlib import Path
from typing import Any

import diffusers
import torch

from ldm.config.compose import ConfigError
from ldm.processes.noise_schedules import SCHEDULES
from ldm.samplers.diffusers_scheduler import THE_PRIORS

__all__ = ["PREDICTIONS", "read_schedule"]

PREDICTIONS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
"""Names of a network's prediction target: ours, and those of diffusers."""


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
    schedules = (each for each in SCHEDULES if betas is not None and _same(betas, each))
    schedule = next(schedules, None)
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
    partial = {"_target_": f"diffusers.schedulers.{name}", "_partial_": True, **own}
    sampler = {"_target_": "ldm.samplers.DiffusersScheduler", "steps": 50, "scheduler": partial}
    settings = {
        "prior.process.schedule": schedule,
        "prior.process.steps": len(betas),
        "prior.objective.target": target,
        "sampler": sampler,
    }
    clips = "; not its clipping of latents to [-1, 1]" if config.get("clip_sample") else ""
    return settings, f"sampler: {name} of the pipeline{clips}"


def _same(betas: torch.Tensor, schedule: str) -> bool:
    ours = SCHEDULES[schedule](len(betas)).to(betas)
    return torch.allclose(ours, betas, rtol=1e-4, atol=1e-7)
