"""Configurations that build the models of others' files, as stages of a run."""

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data import DataModule
from ldm.config.compose import ConfigError, compose, overridden
from ldm.config.groups import members
from ldm.hub.layouts import Found
from ldm.networks.images.dit import DiT
from ldm.networks.images.lightningdit import LightningDiT
from ldm.networks.images.unet import UNet
from ldm.run.exchange.schedules import read_schedule
from ldm.run.folder import Run
from ldm.run.loading import last_config
from ldm.run.models import build_models
from ldm.run.parts import build_data

__all__ = ["check_shape", "from_experiment", "from_sizes"]

SAMPLERS = {
    "dit": "ddim",
    "sit": "flow_euler",
    "lightningdit": "flow_euler",
    "ldm": "ddim",
    "stable_diffusion": "ddim",
}
NETWORKS = {"ldm": UNet, "stable_diffusion": UNet, "lightningdit": LightningDiT}
"""Networks of priors that are no DiT, by the configurations of these priors."""


def from_sizes(found: Found, run: Run, overrides: Sequence[str]) -> tuple[DictConfig, str]:
    """Compose the configuration that the sizes of a model determine.

    The overrides of the model's own settings come last, after what its sizes determine.

    Returns:
        The configuration, and how to name the model in other runs.

    Raises:
        ConfigError: it cannot be composed, or the file does not tell the heads of attention.
    """
    stage = found.stage
    member = _tokenizer_group(found.sizes) if stage == "tokenizer" else found.group
    mine = ("tokenizer.",) if stage == "tokenizer" else ("prior.", "sampler.", "guidance.")
    own = [one for one in overrides if one.startswith(mine)]
    groups = [one for one in overrides if one not in own]
    _check_heads(found, overrides)
    config = _base(stage, member, run, groups)
    changed = []
    for key, value in _settings(found, config, build_data(config)).items():
        before = OmegaConf.select(config, key, default=inspect)  # which no configuration holds
        if before != value and not (key == "sampler" and _names("sampler", groups)):
            OmegaConf.update(config, key, value, merge=False, force_add=True)
            plus = "+" if before is inspect else ""  # Hydra's mark of a new key
            changed.append(f"{plus}{key}={json.dumps(value)}".replace(" ", ""))
    changed = [one for one in [*changed, *own] if one.lstrip("+").startswith(f"{stage}.")]
    usage = " ".join([f"{stage}={member}", *changed, f"{stage}.checkpoint={run.folder}"])
    return overridden(config, own), f"in other runs: {usage}"


def from_experiment(found: Found, run: Run, overrides: Sequence[str]) -> tuple[DictConfig, str]:
    """Compose the experiment among the overrides, for files that do not tell their sizes.

    Returns:
        The configuration, and how to name the model in other runs.

    Raises:
        ConfigError: no experiment is named, or it cannot be composed.
    """
    if not _names("experiment", overrides):
        raise ConfigError(
            f"{found.path} does not tell what data its {found.stage} is for: add experiment=..., "
            f"such as edm/qm9, geoldm/drugs or pvdm/ucf101_l"
        )
    named = next(one for one in overrides if one.startswith("experiment="))
    usage = f"in other runs: {named} {found.stage}.checkpoint={run.folder}"
    return compose([f"run={run.folder}", *overrides]), usage


def check_shape(found: Found, config: DictConfig, data: DataModule) -> None:
    """Refuse data and a tokenizer that make other shapes than the model is for.

    Raises:
        ConfigError: they do; the message says what to name instead.
    """
    sizes = found.sizes
    if found.stage == "tokenizer":
        if sizes["channels"] != data.shape[0]:
            raise ConfigError(
                f"{found.path} is for images of {sizes['channels']} channels, and {data.name} has "
                f"{data.shape[0]}: name other data, data=..."
            )
        return
    if 0 < _classes(found, data) < data.classes:
        raise ConfigError(
            f"{found.path} knows {sizes['classes']} classes, and {data.name} has {data.classes}: "
            f"name the data that it was trained on, data=..."
        )
    below = build_models(config, data, ["tokenizer"], "meta")["tokenizer"]
    channels, *grid = below.space.shape
    if "patch" not in sizes:  # it reads any grid
        if channels != sizes["channels"]:
            raise ConfigError(
                f"{found.path} is for latents of {sizes['channels']} channels, and the tokenizer "
                f"makes {channels}: name the tokenizer that it was trained on"
            )
        return
    tokens = math.prod(grid) // sizes["patch"] ** 2
    if (channels, tokens) != (sizes["channels"], sizes.get("tokens", tokens)):
        raise ConfigError(
            f"{found.path} is for latents of {sizes['channels']} channels and {sizes['tokens']} "
            f"patches, and the tokenizer makes {tuple(below.space.shape)} of {data.name}, {tokens} "
            f"patches: set data.size, or name the tokenizer"
        )


def _classes(found: Found, data: DataModule) -> int:
    """Count the classes of a table, whose last row is that of no class.

    A table with one row a class of the data has no such row, where a network can be built so.
    """
    rows, network = found.sizes["classes"] + 1, NETWORKS.get(found.group, DiT)
    every = rows == data.classes and "null_class" in inspect.signature(network).parameters
    return rows if every else rows - 1


def _base(stage: str, member: str, run: Run, overrides: Sequence[str]) -> DictConfig:
    """Compose the configuration of a run with this stage: a new one, or that of its folder."""
    chosen = {stage: member}
    if stage == "prior":
        chosen["sampler"] = SAMPLERS[member]
    if any(run.folder.glob("*/config.yaml")):
        config = last_config(run)
        built = tuple(f"{name}{mark}" for name in config.stages for mark in "=./")
        rest = [one for one in overrides if not one.startswith(("experiment=", *built))]
        config.stages = [*config.stages, stage]
        return overridden(config, [*_missing(chosen, rest), *rest])
    first = {"data": "imagenet256", "tokenizer": "kl_f8", **chosen}
    first = {} if _names("experiment", overrides) else first
    later = ("prior", "sampler", "guidance") if stage == "tokenizer" else ()
    rest = [one for one in overrides if not one.startswith(later)] if later else overrides
    folder = [f"run={run.folder}", f"stages=[{stage}]"]
    return compose([*folder, *_missing(first, overrides), *rest])


def _check_heads(found: Found, overrides: Sequence[str]) -> None:
    told = ("prior.backbone.heads", "prior/backbone", "experiment")
    known = found.stage == "tokenizer" or "heads" in found.sizes
    if not known and not any(_names(key, overrides) for key in told):
        raise ConfigError(
            f"{found.path} does not tell how many heads its attention has, and it is of no "
            f"published size: add prior.backbone.heads=..., or name its size by prior/backbone=..."
        )


def _names(key: str, overrides: Sequence[str]) -> bool:
    return any(one.startswith(f"{key}=") for one in overrides)


def _missing(groups: Mapping[str, str], overrides: Sequence[str]) -> list[str]:
    return [f"{key}={value}" for key, value in groups.items() if not _names(key, overrides)]


def _tokenizer_group(sizes: Mapping[str, Any]) -> str:
    """Name the shipped tokenizer of the same kind and downsampling, or one of the same kind."""
    kind = "vq" if "bottleneck.codes" in sizes else "kl"
    kind = "gsq" if "bottleneck.groups" in sizes else kind
    if "encoder.flow" in sizes:
        return "wf_vae_s"
    name = f"{kind}_f{2 ** (len(sizes.get('encoder.multipliers', ())) - 1)}"
    return name if name in members("tokenizer") else f"{kind}_f8"


def _settings(found: Found, config: DictConfig, data: DataModule) -> dict[str, Any]:
    """Keys and values of the configuration that a model's sizes determine."""
    if found.stage == "tokenizer":
        return {f"tokenizer.{key}": x for key, x in found.sizes.items() if key != "channels"}
    defaults = inspect.signature(NETWORKS.get(found.group, DiT)).parameters
    settings = {
        f"prior.backbone.{key}": value
        for key, value in found.sizes.items()
        if key in defaults and (key in config.prior.backbone or value != defaults[key].default)
    }
    authors = found.group == "dit" and "frequency_shift" not in found.sizes
    if authors and found.sizes["learn_sigma"]:
        settings["prior.objective._target_"] = "ldm.objectives.LearnedVariance"
    if found.scheduler is not None:
        settings |= read_schedule(found.scheduler)[0]
    classes = _classes(found, data)
    if "text" in found.sizes:
        return settings
    settings.pop("prior.backbone.classes", None)
    if classes == 0:
        return settings | {"prior.conditioning": None}
    if classes > found.sizes["classes"]:
        settings["prior.conditioning.label.rate"] = 0.0  # so that the network has no null class
    if classes != data.classes:
        settings["prior.backbone.classes"] = classes
        settings["prior.conditioning.label.classes"] = classes
    return settings
