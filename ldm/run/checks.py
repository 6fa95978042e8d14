"""All that can be found wrong with an experiment before it trains: in seconds, at any size."""

from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from data import DataModule
from ldm.config.compose import ConfigError
from ldm.hub.weights import check_resumable, read_facts
from ldm.priors import Prior
from ldm.run.folder import Run
from ldm.run.parts import (
    build_guidance,
    build_part,
    build_prior,
    build_sampler,
    build_tokenizer,
    load_tokenizer,
)
from ldm.tokenizers import Tokenizer

__all__ = ["check_sampler", "check_stages"]


def check_stages(config: DictConfig, run: Run, data: DataModule, stages: list[str]) -> None:
    """Build each stage on the meta device and look at the files that it goes on from.

    Raises:
        ConfigError: parts do not fit one another or the data, or the run was begun otherwise.
        BadCheckpoint: a file is damaged or unsafe.
    """
    tokenizer = build_tokenizer(config, "meta")
    prior = build_prior(config, tokenizer, "meta") if "prior" in stages else None
    for name in stages:
        run.check_config(name, config)
        if run.model(name).is_file():
            read_facts(run.model(name))
            continue
        if run.checkpoint(name).is_file():
            check_resumable(run.checkpoint(name))
        if name == "tokenizer":
            _check_tokenizer_training(config, tokenizer, data)
        else:
            _check_prior_training(config, tokenizer, prior, data)
    if prior is not None:
        check_sampler(config, tokenizer)
    if config.tokenizer.checkpoint is not None:
        load_tokenizer(config, Path(config.tokenizer.checkpoint))


def check_sampler(config: DictConfig, tokenizer: Tokenizer) -> None:
    """Draw one latent with a network that says nothing but zero.

    Raises:
        ConfigError: sampler or guidance do not fit the prior's process or conditions.
    """
    process = build_part(config, "prior.process", space=tokenizer.space)
    with torch.device("meta"):
        backbone = build_part(config, "prior.backbone")
    prior = build_part(config, "prior", process=process, backbone=_Zero(backbone))
    sampler, guidance = build_sampler(config), build_guidance(config)
    label = {"label": torch.zeros(1, dtype=torch.long)}
    try:
        prior.sample(1, label, sampler, torch.Generator(), guidance)
    except Exception as error:  # diffusers divides by zero, and more
        raise ConfigError(f"the sampler does not fit the prior: {error}") from error


class _Zero(nn.Module):
    """Zeros of the shape of a network's output, which is asked of the network but once."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = [network]  # in a list: its parameters are on the meta device
        self.zero = nn.Parameter(torch.zeros(()))
        self.shape: tuple[int, ...] | None = None

    def forward(self, noisy: Tensor, t: Tensor, **condition: Tensor) -> Tensor:
        if self.shape is None:
            given = {key: value.to("meta") for key, value in condition.items()}
            self.shape = self.network[0](noisy.to("meta"), t.to("meta"), **given).shape[1:]
        return self.zero.expand(len(noisy), *self.shape)


def _check_points(tokenizer: Tokenizer, data: DataModule) -> None:
    """Data that are their own latents, or other coordinates of them, must lie in the space."""
    batches = (batch for split in data.held for batch in data.ordered_batches(split, 4096))
    for batch in batches:
        try:
            tokenizer.space.check(tokenizer.encode(batch).latent)
        except ValueError as error:
            raise ConfigError(f"{data.name} does not live in {tokenizer.space}: {error}") from error


def _check_tokenizer_training(config: DictConfig, tokenizer: Tokenizer, data: DataModule) -> None:
    place = "tokenizer.training"
    # Not on the meta device, where perceptual losses do without their weights.
    build_part(config, place, model=tokenizer, seed=config.seed)
    with torch.device("meta"):
        loss = build_part(config, f"{place}.loss")
        x = torch.zeros(1, *data.shape)
    try:
        loss(x, x)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"{place}.loss does not fit {data.name}: {error}") from error


def _check_prior_training(
    config: DictConfig, tokenizer: Tokenizer, prior: Prior, data: DataModule
) -> None:
    given = {"model": prior, "tokenizer": tokenizer, "seed": config.seed}
    training = build_part(config, "prior.training", **given)
    if training.selection is not None and "val" not in data.held:
        raise ConfigError(
            f"prior.training.selection looks at a val split, and {data.name} has none: set it to "
            f"null"
        )
    if not tokenizer.learned:
        _check_points(tokenizer, data)
    if (
        tokenizer.learned
        and config.trainer.cache_latents
        and config.data.get("crop", "center") != "center"
    ):
        raise ConfigError(
            "cached latents would be of one crop of each image: set trainer.cache_latents=false "
            "or data.crop=center"
        )
    conditioning = getattr(prior, "conditioning", None)
    if conditioning is not None and not 0 < data.classes <= conditioning.classes:
        raise ConfigError(
            f"the prior is conditional on {conditioning.classes} classes, {data.name} has "
            f"{data.classes}: set prior.backbone.classes to that, and prior.conditioning=null "
            f"where it is 0"
        )
