"""What an experiment consists of, and how a part is built from its configuration."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from torch import nn

from data import DataModule
from ldm.config.compose import ConfigError
from ldm.config.interfaces import hand_over
from ldm.config.lineage import foundation, told
from ldm.config.validate import STAGE_KEYS
from ldm.priors import Prior
from ldm.run.folder import Run
from ldm.samplers import Guidance, Sampler
from ldm.tokenizers import Stacked, Tokenizer

__all__ = [
    "Parts",
    "build_data",
    "build_guidance",
    "build_loggers",
    "build_part",
    "build_sampler",
    "model_config",
    "reader",
    "told_readers",
]


@dataclass
class Parts:
    """What an experiment built, or a run folder holds.

    Attributes:
        config: of the experiment.
        data: what it learns.
        models: tokenizers and priors by the names of their stages, each after those it stands on.
    """

    config: DictConfig
    data: DataModule
    models: dict[str, nn.Module] = field(default_factory=dict)

    @property
    def stage(self) -> str | None:
        """The stage that samples come from: the last one that is a prior; None without."""
        priors = [name for name, model in self.models.items() if isinstance(model, Prior)]
        return priors[-1] if priors else None

    @property
    def prior(self) -> Prior | None:
        """What samples are drawn from; None where there is only a tokenizer."""
        return None if self.stage is None else self.models[self.stage]

    @property
    def tokenizer(self) -> Tokenizer:
        """From data to the latents that `prior` learns, and back; without a prior, the last one."""
        if self.stage is not None:
            return reader(self.config, self.models, foundation(self.config, self.stage))
        (*_, last) = self.models
        return (
            self.models[last] if len(self.models) == 1 else reader(self.config, self.models, last)
        )

    @property
    def sampler(self) -> Sampler | None:
        """How `prior` is turned into latents; None where it needs no sampler."""
        return build_sampler(self.config, self.stage)

    @property
    def guidance(self) -> Guidance:
        """How the conditions of `prior` are exaggerated."""
        return build_guidance(self.config, self.stage)


def reader(config: DictConfig, models: Mapping[str, nn.Module], name: str) -> Tokenizer:
    """The tokenizer from data to the latents of this stage, through all that it stands on.

    Raises:
        ConfigError: the stage is no tokenizer.
    """
    if not isinstance(models[name], Tokenizer):
        raise ConfigError(f"{name} has no latents to stand on: it is no tokenizer")
    below = foundation(config, name)
    return models[name] if below is None else Stacked(reader(config, models, below), models[name])


def told_readers(
    config: DictConfig, models: Mapping[str, nn.Module], name: str
) -> dict[str, Tokenizer]:
    """The tokenizers whose latents the prior of a stage is told, by the key of the condition."""
    return {
        key: reader(config, models, foundation(config, other))
        for key, other in told(config, name).items()
    }


def build_part(
    config: DictConfig, place: str, /, handed: Mapping[str, Any] | None = None, **parts: Any
) -> Any:
    """Build what a place of the configuration names.

    Args:
        config: of the experiment.
        place: key of a node with a `_target_`, `tokenizer.training` say; of a stage, the model.
        handed: numbers and lists for the constructors that take them by these names, at any depth,
            where the configuration leaves them out.
        **parts: arguments that are there already; they replace the nodes of their names.

    Raises:
        ConfigError: an argument is missing or of no use to what is built; names its place.
    """
    node = model_config(OmegaConf.select(config, place))
    rest = {key: value for key, value in node.items() if key not in parts}
    if handed:
        rest = hand_over(rest, handed)
    try:
        # In two steps: Hydra would build whatever has a target in what it is given.
        return instantiate(OmegaConf.create(rest), _partial_=True)(**parts)
    except InstantiationException as error:
        inner = re.search(r"full_key: (\S+)", str(error))
        where = f"{place}.{inner[1]}" if inner else place
        raise ConfigError(f"{where}: {error.__cause__ or error}") from error
    except (TypeError, ValueError, FileNotFoundError) as error:
        raise ConfigError(f"{place}: {error}") from error


def build_data(config: DictConfig) -> DataModule:
    """The data module; nothing is read or downloaded yet."""
    return build_part(config, "data")


def build_sampler(config: DictConfig, stage: str | None = None) -> Sampler | None:
    """How latents are drawn: the stage's own sampler, where it has one, else that of all."""
    place = _own(config, stage, "sampler")
    return None if OmegaConf.select(config, place) is None else build_part(config, place)


def build_guidance(config: DictConfig, stage: str | None = None) -> Guidance:
    """How conditions are exaggerated: the stage's own, where it has one, else that of all."""
    return build_part(config, _own(config, stage, "guidance"))


def _own(config: DictConfig, stage: str | None, key: str) -> str:
    return f"{stage}.{key}" if stage is not None and config[stage].get(key) is not None else key


def build_loggers(config: DictConfig, run: Run, part: str) -> list[Logger]:
    """Those beside metrics.csv and metrics.json, for a stage or for the evaluation."""
    plain = OmegaConf.to_container(config, resolve=True)
    given = {"folder": run.stage(part), "run": run.folder.name, "part": part, "config": plain}
    return [build_part(config, f"logger.{key}", **given) for key in config.logger or ()]


def model_config(node: DictConfig) -> dict[str, Any]:
    """What builds a stage's model, without how it is trained."""
    plain = OmegaConf.to_container(node, resolve=True)
    return {key: value for key, value in plain.items() if key not in STAGE_KEYS}
