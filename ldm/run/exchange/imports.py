"""Importing the weights of others: a run folder is made of them, as if they were trained here."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ldm.config.compose import ConfigError
from ldm.hub import weights
from ldm.hub.layouts import Found, read_layout
from ldm.hub.weights import few
from ldm.run.exchange.configurations import check_shape, from_experiment, from_sizes
from ldm.run.exchange.scales import scale_latents
from ldm.run.exchange.schedules import read_schedule
from ldm.run.folder import Run
from ldm.run.models import build_models
from ldm.run.parts import build_data
from ldm.tokenizers import Tokenizer

__all__ = ["import_weights"]


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
        configured = from_sizes if found.sizes else from_experiment
        config, usage = configured(found, run, overrides)
        data = build_data(config)
        if found.sizes:
            check_shape(found, config, data)
        model = build_models(config, data, [found.stage])[found.stage]
        said.append(_fill(found, model))
        if found.gamma is not None:
            _check_schedule(found, model)
        space = model.space
        if isinstance(model, Tokenizer):
            given = dict(statistics or {}) or found.statistics
            named = any(one.startswith(("data", "experiment=")) for one in overrides)
            unknown = measure is None and not given and named and not model.fixed
            said.append(scale_latents(model, data, given, measure=bool(measure or unknown)))
            space = model.bottleneck.space
        weights.save(run.model(found.stage), model, {"space": repr(space), "source": str(source)})
        run.keep_config(found.stage, config)
        if found.scheduler is not None:
            said.append(read_schedule(found.scheduler)[1])
        said.append(usage)
    return said


def _check_schedule(found: Found, prior: nn.Module) -> None:
    """Refuse a process whose noise is not that of the file."""
    alpha_bar = prior.process.alpha_bar.to(found.gamma.device)
    gamma = torch.log((1 - alpha_bar) / alpha_bar)
    if gamma.shape != found.gamma.shape or (gamma - found.gamma).abs().max() > 1e-3:
        raise ConfigError(
            f"{found.path} was trained on {len(found.gamma)} noise levels that are not those of "
            f"prior.process: set its schedule and steps"
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
