"""From a checked configuration to the parts it names."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from data import DataModule
from ldm.config.compose import STAGE_KEYS, ConfigError
from ldm.hub import load_into, weights
from ldm.priors import Prior
from ldm.run.folder import Run
from ldm.samplers import Guidance, Sampler
from ldm.tokenizers import Tokenizer

__all__ = [
    "Parts",
    "build_data",
    "build_guidance",
    "build_loggers",
    "build_part",
    "build_prior",
    "build_sampler",
    "build_tokenizer",
    "load_prior",
    "load_tokenizer",
]


@dataclass
class Parts:
    """What an experiment built; `prior` and `sampler` are None where it has only a tokenizer."""

    config: DictConfig
    data: DataModule
    tokenizer: Tokenizer
    prior: Prior | None = None
    sampler: Sampler | None = None
    guidance: Guidance | None = None


def build_part(config: DictConfig, place: str, /, **parts: Any) -> Any:
    """What a place of the configuration names.

    Args:
        config: of the experiment.
        place: key of a node with a `_target_`, `tokenizer.training` say; of a stage, the model.
        **parts: arguments that are there already; they replace the nodes of their names.

    Raises:
        ConfigError: an argument is missing or of no use to what is built; names its place.
    """
    node = model_config(OmegaConf.select(config, place))
    rest = OmegaConf.create({key: value for key, value in node.items() if key not in parts})
    try:
        # In two steps: Hydra would build whatever has a target in what it is given.
        return instantiate(rest, _partial_=True)(**parts)
    except InstantiationException as error:
        inner = re.search(r"full_key: (\S+)", str(error))
        where = f"{place}.{inner[1]}" if inner else place
        raise ConfigError(f"{where}: {error.__cause__ or error}") from error
    except (TypeError, ValueError, FileNotFoundError) as error:
        raise ConfigError(f"{place}: {error}") from error


def build_data(config: DictConfig) -> DataModule:
    """The data module; nothing is read or downloaded yet."""
    return build_part(config, "data")


def build_tokenizer(config: DictConfig, device: str = "cpu") -> Tokenizer:
    """An untrained tokenizer, checked against the shape of the data.

    Raises:
        ConfigError: encoder, bottleneck, decoder and data do not fit one another.
    """
    with torch.device(device):
        tokenizer = build_part(config, "tokenizer")
    with torch.device("meta"):
        twin = tokenizer if device == "meta" else build_part(config, "tokenizer")
    data = build_data(config)
    x = torch.zeros(1, *data.shape, device="meta")
    fits = f"data of shape {tuple(data.shape)} and a latent space {tokenizer.space}"
    try:
        latent = twin.eval().encode({"x": x}).latent
        back = twin.decode(latent)["x"]
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"the tokenizer does not fit {fits}: {error}") from error
    if latent.shape[1:] != tokenizer.space.shape or back.shape != x.shape:
        remedy = "tokenizer.bottleneck.shape, the multipliers, or the size of the data"
        if not tokenizer.learned:
            remedy = "tokenizer.space to the one that the data live in"
        raise ConfigError(
            f"the tokenizer does not fit {fits}: it makes latents {tuple(latent.shape[1:])} and "
            f"reconstructions {tuple(back.shape[1:])}; change {remedy}"
        )
    return tokenizer


def build_prior(config: DictConfig, tokenizer: Tokenizer, device: str = "cpu") -> Prior:
    """An untrained prior on the tokenizer's space, checked against it.

    Raises:
        ConfigError: the backbone reads latents of another shape.
    """

    def model() -> Prior:
        process = build_part(config, "prior.process", space=tokenizer.space)
        return build_part(config, "prior", process=process)

    with torch.device(device):
        prior = model()
    with torch.device("meta"):
        twin = prior if device == "meta" else model()
    latent = torch.zeros(2, *tokenizer.space.shape, device="meta")
    label = torch.zeros(2, dtype=torch.long, device="meta")
    try:
        twin.check_output(twin.probe(latent, {"label": label}).shape)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"the prior does not fit the tokenizer's latent space {tokenizer.space}: {error}; set "
            f"the backbone's shape, or channels and size, to {tuple(tokenizer.space.shape)}"
        ) from error
    return prior


def build_sampler(config: DictConfig) -> Sampler:
    """How latents are drawn."""
    return build_part(config, "sampler")


def build_guidance(config: DictConfig) -> Guidance:
    """How conditions are exaggerated."""
    return build_part(config, "guidance")


def build_loggers(config: DictConfig, run: Run, part: str) -> list[Logger]:
    """Those beside metrics.csv and metrics.json, for a stage or for the evaluation."""
    plain = OmegaConf.to_container(config, resolve=True)
    given = {"folder": run.stage(part), "run": run.folder.name, "part": part, "config": plain}
    return [build_part(config, f"logger.{key}", **given) for key in config.logger or ()]


def load_tokenizer(config: DictConfig, path: str | Path) -> Tokenizer:
    """A tokenizer for this configuration, its weights, where it has any, from `path`.

    Raises:
        BadCheckpoint: unreadable, or its latents live in another space.
    """
    tokenizer = build_tokenizer(config)
    if tokenizer.learned:
        load_into(path, tokenizer)
    return tokenizer.eval().requires_grad_(False)


def load_prior(config: DictConfig, tokenizer: Tokenizer, path: Path) -> Prior:
    """A trained prior, its weights from `path`."""
    prior = build_prior(config, tokenizer)
    weights.load(path, prior)
    return prior.eval().requires_grad_(False)


def model_config(node: DictConfig) -> dict[str, Any]:
    """What builds a stage's model, without how it is trained."""
    plain = OmegaConf.to_container(node, resolve=True)
    return {key: value for key, value in plain.items() if key not in STAGE_KEYS}
