"""Why a configuration cannot be composed, in words that say what to write instead."""

import inspect

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ldm.config.groups import CONFIGS, keys_of, members
from ldm.config.signatures import suggest

__all__ = ["exchanged", "explain", "unfit"]


def explain(error: Exception, overrides: list[str]) -> str:
    """Hydra's complaint, with the nearest right name where one override's name is wrong."""
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key.startswith("hydra"):
            continue
        if (CONFIGS / key).is_dir():
            if value not in members(key):
                return f"no {key} {value!r}{suggest(value, members(key))}"
            continue
        groups = [o for o in overrides if (CONFIGS / o.partition("=")[0]).is_dir()]
        try:
            config = hydra_compose("train", groups)
        except (HydraException, OmegaConfBaseException, ValueError):
            continue
        if OmegaConf.select(config, key, default=inspect) is inspect:
            return f"unknown key {key!r}{suggest(key, keys_of(config))}"
    return f"the configuration cannot be composed: {error}"


def unfit(config: DictConfig, error: str) -> str:
    """Which groups do not go together, where one takes a number from another that has it not."""
    wanted = error.split("'")[1]  # Interpolation key 'tokenizer.bottleneck.shape.0' not found
    other = wanted.partition(".")[0]
    parts = OmegaConf.to_container(config, resolve=False).items()
    groups = [key for key, part in parts if wanted in str(part) and (CONFIGS / key).is_dir()]
    if not groups:
        return error
    return (
        f"{groups[0]} takes {wanted}, which is not there: this {groups[0]}= is not for this "
        f"{other}=; choose another {groups[0]}={' | '.join(members(groups[0]))}"
    )


def exchanged(experiment: str | None, overrides: list[str]) -> str:
    """Where other group members are asked for than an experiment has, that its settings are not."""
    if experiment is None:
        return ""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        own = hydra_compose("train", [f"experiment={experiment}"], return_hydra_config=True)
    choices = own.hydra.runtime.choices
    asked = dict(override.split("=", 1) for override in overrides if "=" in override)
    others = {key: choices[key] for key in asked if choices.get(key, asked[key]) != asked[key]}
    if others.pop("experiment", None) is not None or not others:
        return ""
    kept = " ".join(f"{key}={member}" for key, member in others.items())
    return (
        f"; the settings of experiment={experiment} are for {kept}: keep that, or name all groups "
        f"and run=... without an experiment"
    )
