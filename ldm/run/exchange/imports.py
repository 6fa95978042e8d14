"""Importing the weights of others: a run folder is made of them, as if they were trained here."""

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from data import DataModule
from ldm import distributed
from ldm.config.compose import ConfigError, compose, overridden
from ldm.config.groups import members
from ldm.hub import weights
from ldm.hub.layouts import Found, read_layout
from ldm.hub.weights import few
from ldm.networks.images.dit import DiT
from ldm.randomness import step_generator
from ldm.run.exchange.schedules import read_schedule
from ldm.run.folder import Run
from ldm.run.loading import last_config
from ldm.run.models import build_models
from ldm.run.parts import build_data
from ldm.run.stages import encodings
from ldm.tokenizers import Tokenizer

__all__ = ["import_weights"]

PRIORS = {"diffusers": "dit", "dit": "dit", "sit": "sit"}
SAMPLERS = {"dit": "ddim", "sit": "flow_euler"}


def import_weights(
    source: str,
    layout: str,
    run: Run,
    overrides: Sequence[str] = (),
    statistics: Mapping[str, Any] | None = None,
    measure: bool | None = None,
) -> list[str]:
    """Write the weights of others to a run folder, as stages that are finished.

    A prior is imported beside the tokenizer whose latents it learned: into the same folder, or
    with a `tokenizer.checkpoint` among the overrides.

    Args:
        source: a file, a folder of diffusers, or a published name.
        layout: see `ldm.hub.layouts.LAYOUTS`.
        run: folder to write; stages that it has are kept.
        overrides: of the configuration, such as `data=...`.
        statistics: `scaling_factor`, `shift_factor`, `latents_mean` and `latents_std` of diffusers,
            in place of the file's own.
        measure: measure the latents on the training split; None where nothing else tells their
            scale and the overrides name the data.

    Returns:
        What was done, a line each.

    Raises:
        BadCheckpoint: the source is not there or not of this layout, or does not fit.
        ConfigError: the configuration does not build what the source holds.
    """
    said = []
    for found in read_layout(source, layout):
        if run.model(found.stage).is_file():
            raise ConfigError(f"{run.model(found.stage)} is there: choose another output=...")
        configure = _as_experiment if layout == "edm" else _configure
        config, usage = configure(found, layout, run, overrides)
        data = build_data(config)
        if found.sizes:
            _check_shape(found, config, data)
        model = build_models(config, data, [found.stage])[found.stage]
        said.append(_fill(found, model))
        if found.gamma is not None:
            _check_schedule(found, model)
        space = model.space
        if isinstance(model, Tokenizer):
            given = dict(statistics or {}) or found.statistics
            named = any(one.startswith(("data", "experiment=")) for one in overrides)
            unknown = measure is None and not given and named and not model.fixed
            said.append(_measure(model, data) if measure or unknown else _scale(model, given))
            space = model.bottleneck.space
        weights.save(run.model(found.stage), model, {"space": repr(space), "source": str(source)})
        run.keep_config(found.stage, config)
        if found.scheduler is not None:
            said.append(read_schedule(found.scheduler)[1])
        said.append(usage)
    return said


def _configure(
    found: Found, layout: str, run: Run, overrides: Sequence[str]
) -> tuple[DictConfig, str]:
    """Compose the configuration that builds a model, and say how to name it in other runs.

    The overrides of the model's own settings come last, after what its sizes determine.
    """
    stage = found.stage
    member = _tokenizer_group(found.sizes) if stage == "tokenizer" else PRIORS[layout]
    mine = ("tokenizer.",) if stage == "tokenizer" else ("prior.", "sampler.", "guidance.")
    own = [one for one in overrides if one.startswith(mine)]
    groups = [one for one in overrides if one not in own]
    _check_heads(found, overrides)
    config = _base(stage, member, run, groups)
    changed = []
    for key, value in _settings(found, layout, build_data(config)).items():
        before = OmegaConf.select(config, key, default=inspect)  # which no configuration holds
        if before != value and not (key == "sampler" and _names("sampler", groups)):
            OmegaConf.update(config, key, value, merge=False, force_add=True)
            plus = "+" if before is inspect else ""  # Hydra's mark of a new key
            changed.append(f"{plus}{key}={json.dumps(value)}".replace(" ", ""))
    changed = [one for one in [*changed, *own] if one.lstrip("+").startswith(f"{stage}.")]
    usage = " ".join([f"{stage}={member}", *changed, f"{stage}.checkpoint={run.folder}"])
    return overridden(config, own), f"in other runs: {usage}"


def _as_experiment(
    found: Found, layout: str, run: Run, overrides: Sequence[str]
) -> tuple[DictConfig, str]:
    """The configuration of the experiment among the overrides, for files that do not say theirs."""
    if not _names("experiment", overrides):
        raise ConfigError(
            f"{found.path} does not tell what data its {found.stage} is for: add experiment=..., "
            f"such as edm/qm9, geoldm/qm9_k2 or geoldm/drugs"
        )
    named = next(one for one in overrides if one.startswith("experiment="))
    usage = f"in other runs: {named} {found.stage}.checkpoint={run.folder}"
    return compose([f"run={run.folder}", *overrides]), usage


def _check_schedule(found: Found, prior: nn.Module) -> None:
    """Refuse a process whose noise is not that of the file."""
    alpha_bar = prior.process.alpha_bar.to(found.gamma.device)
    gamma = torch.log((1 - alpha_bar) / alpha_bar)
    if gamma.shape != found.gamma.shape or (gamma - found.gamma).abs().max() > 1e-3:
        raise ConfigError(
            f"{found.path} was trained on {len(found.gamma)} noise levels that are not those of "
            f"prior.process: set its schedule and steps"
        )


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
            f"published size: add prior.backbone.heads=..."
        )


def _names(key: str, overrides: Sequence[str]) -> bool:
    return any(one.startswith(f"{key}=") for one in overrides)


def _missing(groups: Mapping[str, str], overrides: Sequence[str]) -> list[str]:
    return [f"{key}={value}" for key, value in groups.items() if not _names(key, overrides)]


def _tokenizer_group(sizes: Mapping[str, Any]) -> str:
    """Name the shipped tokenizer of the same kind and downsampling, or one of the same kind."""
    kind = "vq" if "bottleneck.codes" in sizes else "kl"
    name = f"{kind}_f{2 ** (len(sizes.get('encoder.multipliers', ())) - 1)}"
    return name if name in members("tokenizer") else f"{kind}_f8"


def _settings(found: Found, layout: str, data: DataModule) -> dict[str, Any]:
    """Keys and values of the configuration that a model's sizes determine."""
    if found.stage == "tokenizer":
        settings = {f"tokenizer.{key}": x for key, x in found.sizes.items() if key != "channels"}
        if (
            layout == "taming" and "bottleneck.codes" in found.sizes
        ):  # whose priors learn codes, not the latents before them
            settings["tokenizer.bottleneck.unquantized"] = False
        return settings
    defaults = inspect.signature(DiT).parameters
    named = ("patch", "width", "depth", "heads")  # the configurations have them
    settings = {
        f"prior.backbone.{key}": value
        for key, value in found.sizes.items()
        if key in named or (key in defaults and value != defaults[key].default)
    }
    if found.scheduler is not None:
        settings |= read_schedule(found.scheduler)[0]
    classes = found.sizes["classes"]
    settings.pop("prior.backbone.classes", None)
    if classes == 0:
        return settings | {"prior.conditioning": None}
    if classes != data.classes:
        settings["prior.backbone.classes"] = classes
        settings["prior.conditioning.label.classes"] = classes
    return settings


def _check_shape(found: Found, config: DictConfig, data: DataModule) -> None:
    """Refuse data and a tokenizer that make other shapes than the model is for."""
    sizes = found.sizes
    if found.stage == "tokenizer":
        if sizes["channels"] != data.shape[0]:
            raise ConfigError(
                f"{found.path} is for images of {sizes['channels']} channels, and {data.name} has "
                f"{data.shape[0]}: name other data, data=..."
            )
        return
    if 0 < sizes["classes"] < data.classes:
        raise ConfigError(
            f"{found.path} knows {sizes['classes']} classes, and {data.name} has {data.classes}: "
            f"name the data that it was trained on, data=..."
        )
    below = build_models(config, data, ["tokenizer"], "meta")["tokenizer"]
    channels, *grid = below.space.shape
    tokens = math.prod(grid) // sizes["patch"] ** 2
    if (channels, tokens) != (sizes["channels"], sizes.get("tokens", tokens)):
        raise ConfigError(
            f"{found.path} is for latents of {sizes['channels']} channels and {sizes['tokens']} "
            f"patches, and the tokenizer makes {tuple(below.space.shape)} of {data.name}, {tokens} "
            f"patches: set data.size, or name the tokenizer"
        )


def _fill(found: Found, model: nn.Module) -> str:
    """Load the weights in a model; what the file leaves out is what is fixed or measured."""
    module = model if found.stage == "tokenizer" else model.backbone
    fixed = ("mean", "std") if found.stage == "tokenizer" else ("pos_embed",)
    own = {key: x for key, x in module.state_dict().items() if key in fixed}
    weights.put(own | found.state, module, found.path)
    count = sum(parameter.numel() for parameter in module.parameters())
    unused = f"; not used of it: {few(found.unused)}" if found.unused else ""
    return f"{found.stage}: {count:,} parameters of {found.path}{unused}"


def _measure(tokenizer: Tokenizer, data: DataModule) -> str:
    """Measure the latents on the training split."""
    data.prepare_data()
    data.setup()
    device = distributed.device()
    tokenizer.to(device).eval()
    generator = step_generator(data.seed, 0, 0, device)
    tokenizer.measure(encodings(tokenizer, lambda batch: batch, data, device), generator)
    mean, std = tokenizer.mean.mean().item(), tokenizer.std.mean().item()
    return f"latents: measured on {data.name}, mean {mean:.4g}, standard deviation {std:.4g}"


def _scale(tokenizer: Tokenizer, given: Mapping[str, Any]) -> str:
    """Set the mean and standard deviation of latents from diffusers' numbers, if there are any.

    diffusers scales a latent z to `(z - mean) * scaling_factor / std`.
    """
    if tokenizer.fixed and not given:
        return "latents: of the scale in the configuration"
    if not given:
        return (
            "latents: never measured, so no prior can learn them; import again with measure=true "
            "and data=..., or with scaling_factor=..."
        )
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
    words = ", ".join(f"{key} {value}" for key, value in given.items())
    return f"latents: scaled by {words}"
