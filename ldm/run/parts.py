"""The parts of an experiment, and their construction from a configuration."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from data import DataModule
from ldm.config.compose import ConfigError
from ldm.config.interfaces import hand_over
from ldm.config.lineage import foundation, told
from ldm.config.validate import STAGE_KEYS, check_targets, targets
from ldm.priors import Prior
from ldm.samplers import Guidance, Sampler
from ldm.tokenizers import Stacked, Tokenizer

__all__ = [
    "Parts",
    "build_data",
    "build_guidance",
    "build_part",
    "build_sampler",
    "model_config",
    "reader",
    "told_readers",
]


@dataclass
class Parts:
    """The parts of an experiment, newly built or loaded from a run folder.

    Attributes:
        config: of the experiment.
        data: the data module.
        models: tokenizers and priors by the names of their stages, in order of dependency.
    """

    config: DictConfig
    data: DataModule
    models: dict[str, nn.Module] = field(default_factory=dict)

    @property
    def stage(self) -> str | None:
        """Name of the stage that samples are drawn from, the last prior; None without a prior."""
        priors = [name for name, model in self.models.items() if isinstance(model, Prior)]
        return priors[-1] if priors else None

    @property
    def prior(self) -> Prior | None:
        """Prior that samples are drawn from; None if there are only tokenizers."""
        return None if self.stage is None else self.models[self.stage]

    @property
    def tokenizer(self) -> Tokenizer:
        """Tokenizer between data and the latents of `prior`; without a prior, the last one."""
        if self.stage is not None:
            return reader(self.config, self.models, foundation(self.config, self.stage))
        (*_, last) = self.models
        return (
            self.models[last] if len(self.models) == 1 else reader(self.config, self.models, last)
        )

    @property
    def sampler(self) -> Sampler | None:
        """Sampler of `prior`; None if it needs none."""
        return build_sampler(self.config, self.stage)

    @property
    def guidance(self) -> Guidance:
        """Classifier-free guidance of `prior`."""
        return build_guidance(self.config, self.stage)


def reader(config: DictConfig, models: Mapping[str, nn.Module], name: str) -> Tokenizer:
    """Compose the tokenizer from data to the latents of this stage with those it depends on.

    Raises:
        ConfigError: the stage is not a tokenizer.
    """
    if not isinstance(models[name], Tokenizer):
        raise ConfigError(f"{name} has no latents to stand on: it is no tokenizer")
    below = foundation(config, name)
    return models[name] if below is None else Stacked(reader(config, models, below), models[name])


def told_readers(
    config: DictConfig, models: Mapping[str, nn.Module], name: str
) -> dict[str, Tokenizer]:
    """Tokenizers whose latents condition the prior of a stage, by the condition's key.

    Raises:
        ConfigError: what is given is no prior.
    """
    found = {}
    for key, other in told(config, name).items():
        if (below := foundation(config, other)) is None:
            raise ConfigError(f"{name}.given.{key}={other} learns no latents: name a prior")
        found[key] = reader(config, models, below)
    return found


def build_part(
    config: DictConfig, place: str, /, handed: Mapping[str, Any] | None = None, **parts: Any
) -> Any:
    """Build the object that a node of the configuration describes.

    Args:
        config: of the experiment.
        place: key of a node with a `_target_`, such as `tokenizer.training`; for a stage, its model
            is built.
        handed: numbers and lists, passed at any depth to constructors with parameters of these
            names that the configuration does not set.
        **parts: arguments that are already built; they replace the nodes of their names.

    Raises:
        ConfigError: an argument is missing or refused; the message names its place.
    """
    node = OmegaConf.select(config, place)
    # Keys of a stage's own, such as `window`, are arguments where they stand inside a part.
    node = OmegaConf.to_container(node, resolve=True) if "." in place else model_config(node)
    rest = {key: value for key, value in node.items() if key not in parts}
    # Again, since not everything in the configuration of a finished run has been checked.
    check_targets(targets(OmegaConf.create(rest), place))
    try:
        rest = hand_over(rest, handed or {})
        # In two steps: Hydra would also instantiate nodes with a target inside `parts`.
        return instantiate(OmegaConf.create(rest), _partial_=True)(**parts)
    except InstantiationException as error:
        inner = re.search(r"full_key: (\S+)", str(error))
        where = f"{place}.{inner[1]}" if inner else place
        raise ConfigError(f"{where}: {error.__cause__ or error}") from error
    except (TypeError, ValueError, FileNotFoundError) as error:
        raise ConfigError(f"{place}: {error}") from error
    except (ArithmeticError, LookupError, RuntimeError, AttributeError) as error:
        plain = {k: v for k, v in rest.items() if not isinstance(v, dict) and k != "_target_"}
        given = ", ".join(f"{key}={value}" for key, value in plain.items())
        raise ConfigError(f"{place} cannot be built with {given}: {error}") from error


def build_data(config: DictConfig) -> DataModule:
    """Build the data module; nothing is read or downloaded yet."""
    return build_part(config, "data")


def build_sampler(config: DictConfig, stage: str | None = None) -> Sampler | None:
    """Build the stage's own sampler if it has one, else the experiment's."""
    place = _own(config, stage, "sampler")
    return None if OmegaConf.select(config, place) is None else build_part(config, place)


def build_guidance(config: DictConfig, stage: str | None = None) -> Guidance:
    """Build the stage's own guidance if it has one, else the experiment's."""
    return build_part(config, _own(config, stage, "guidance"))


def _own(config: DictConfig, stage: str | None, key: str) -> str:
    return f"{stage}.{key}" if stage is not None and config[stage].get(key) is not None else key


def model_config(node: DictConfig) -> dict[str, Any]:
    """Select the settings of a stage's model, without those of its training."""
    plain = OmegaConf.to_container(node, resolve=True)
    return {key: value for key, value in plain.items() if key not in STAGE_KEYS}
