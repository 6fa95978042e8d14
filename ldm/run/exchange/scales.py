"""The mean and standard deviation of imported latents: measured, given, or none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from data import DataModule
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.hub.weights import BadCheckpoint, few, read_state
from ldm.randomness import step_generator
from ldm.run.stages import encodings
from ldm.tokenizers import Tokenizer

__all__ = ["read_statistics", "scale_latents"]


def scale_latents(
    tokenizer: Tokenizer, data: DataModule, given: Mapping[str, Any], measure: bool
) -> str:
    """Set the mean and standard deviation by which latents are normalised.

    Args:
        tokenizer: with its weights.
        data: whose training split is measured.
        given: `scaling_factor`, `shift_factor`, `latents_mean` and `latents_std` of diffusers,
            which scales a latent z to `(z - mean) * scaling_factor / std`; may be empty.
        measure: measure latents instead, unless the configuration fixes their scale.

    Returns:
        What was done.

    Raises:
        ConfigError: what is given is no scale of these latents.
    """
    if tokenizer.fixed and not given:
        return "latents: of the scale in the configuration"
    if measure:
        return _measured(tokenizer, data)
    if not given:
        return (
            "latents: never measured, so no prior can learn them; import again with measure=true "
            "and data=..., or with scaling_factor=..."
        )
    _set(tokenizer, given)
    words = ", ".join(f"{key} {value}" for key, value in given.items())
    return f"latents: scaled by {words}"


def read_statistics(path: str | Path) -> dict[str, list[float]]:
    """Read `latents_mean` and `latents_std` from a file of `mean` and `std`, as VA-VAE has one.

    Raises:
        BadCheckpoint: the file is damaged, or holds something else.
    """
    state = read_state(Path(path))
    if not {"mean", "std"} <= state.keys():
        raise BadCheckpoint(f"{path} has no mean and std of latents: it has {few(state)}")
    return {f"latents_{key}": state[key].flatten().tolist() for key in ("mean", "std")}


def _measured(tokenizer: Tokenizer, data: DataModule) -> str:
    """Measure the latents on the training split."""
    data.prepare_data()
    data.setup()
    device = distributed.device()
    tokenizer.to(device).eval()
    generator = step_generator(data.seed, 0, 0, device)
    tokenizer.measure(encodings(tokenizer, lambda batch: batch, data, device), generator)
    mean, std = tokenizer.mean.mean().item(), tokenizer.std.mean().item()
    return f"latents: measured on {data.name}, mean {mean:.4g}, standard deviation {std:.4g}"


def _set(tokenizer: Tokenizer, given: Mapping[str, Any]) -> None:
    """Take over the numbers of diffusers."""
    features = len(tokenizer.mean)
    try:
        mean = torch.tensor(given.get("latents_mean", given.get("shift_factor", 0.0)))
        std = torch.tensor(given.get("latents_std", 1.0), dtype=torch.float64)
        mean, std = mean.expand(features), std.expand(features) / given.get("scaling_factor", 1.0)
    except (RuntimeError, TypeError, ZeroDivisionError) as error:
        raise ConfigError(f"{dict(given)} is no scale of {features} channels: {error}") from error
    if not ((std > 0) & std.isfinite() & mean.isfinite()).all():
        raise ConfigError(f"latents cannot be scaled by {dict(given)}: it must be above 0")
    tokenizer.mean.copy_(mean)
    tokenizer.std.copy_(std)
