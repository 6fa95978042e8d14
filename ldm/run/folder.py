"""Files of a run folder."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data.files.whole import write_whole
from ldm.config.compose import ConfigError
from ldm.config.lineage import lineage
from ldm.config.yaml_files import read_yaml
from ldm.distributed import rank

__all__ = ["Run", "changes", "read_config"]

ALWAYS = ("run", "seed", "stages", "data", "tokenizer", "trainer", "eval")


class Run:
    """A run folder, with everything that is needed to use or repeat an experiment.

    Args:
        folder: `runs/<experiment>`.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def stage(self, name: str) -> Path:
        """Folder of a stage."""
        return self.folder / name

    def checkpoint(self, name: str) -> Path:
        """Checkpoint from which a stage's training resumes."""
        return self.folder / name / "checkpoints" / "last.ckpt"

    def model(self, name: str) -> Path:
        """File of a stage's averaged weights; it exists once the stage is finished."""
        return self.folder / name / "model.safetensors"

    def trained(self, name: str, checkpoint: str) -> bool:
        """Return True if a stage was trained here from these weights, to its end."""
        path = self.stage(name) / "config.yaml"
        if not (self.model(name).is_file() and path.is_file()):
            return False
        return read_config(path)[name].get("checkpoint") == checkpoint

    @property
    def metrics(self) -> Path:
        """File with the scores of the last evaluation."""
        return self.folder / "metrics.json"

    @property
    def efforts(self) -> list[Path]:
        """Files with training time and machine of each stage."""
        return sorted(self.folder.glob("*/effort.json"))

    @property
    def latents(self) -> Path:
        """Folder of latent caches, shared by all runs in the same parent folder."""
        return self.folder.parent / ".latents"

    def keep_config(self, name: str, config: DictConfig) -> None:
        """Write the configuration of a stage that starts or resumes."""
        if rank() == 0:
            text = OmegaConf.to_yaml(config)
            path = self.stage(name) / "config.yaml"
            write_whole(path, lambda temporary: temporary.write_text(text))

    def check_config(self, name: str, config: DictConfig) -> None:
        """Refuse to resume a stage that was started with another configuration.

        Raises:
            ConfigError: settings that affect the stage have changed; the message names the keys.
        """
        path = self.stage(name) / "config.yaml"
        begun = self.checkpoint(name).is_file() or self.model(name).is_file()
        if begun and path.is_file():
            changed = [key for key, *_ in changes(read_config(path), config, name)]
            if changed:
                raise ConfigError(
                    f"{self.stage(name)} was begun with another configuration of "
                    f"{', '.join(changed)}: choose another folder with run=..., or delete that one"
                )


def read_config(path: Path) -> DictConfig:
    """Read the configuration that a stage of a run was trained with.

    Raises:
        ConfigError: the file is damaged or truncated.
    """
    remedy = (
        "copy it again, or delete it and run this run's train.py command once more, which writes "
        "it and skips what is finished"
    )
    try:
        config = read_yaml(path)
        # None is ever written; resolving one could read this machine's environment, or never end.
        if "${" in OmegaConf.to_yaml(config):
            raise ConfigError(f"{path} holds an interpolation, ${{...}}, as no run writes")
    except ConfigError as error:
        raise ConfigError(f"{error}: {remedy}") from error
    missing = [
        key for key in ALWAYS if OmegaConf.is_missing(config, key) or config.get(key) is None
    ]
    if missing:
        raise ConfigError(f"{path} is cut short or damaged ({', '.join(missing)}): {remedy}")
    return config


def changes(before: DictConfig, now: DictConfig, stage: str) -> list[tuple[str, Any, Any]]:
    """Differences in settings that affect what a stage learns: full key, old and new value."""
    old, new = _training_of(before, stage), _training_of(now, stage)
    keys = sorted(old | new)
    return [(k, old.get(k), new.get(k)) for k in keys if old.get(k) != new.get(k)]


def _training_of(config: DictConfig, stage: str) -> dict[str, Any]:
    """Settings that affect what a stage learns, by their full keys."""
    plain = OmegaConf.to_container(
        OmegaConf.masked_copy(config, ["seed", "data", *lineage(config, stage)])
    )
    return {key: value for key, value in _flat(plain) if not key.endswith(".workers")}


def _flat(node: Any, place: str = ""):
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _flat(child, f"{place}.{key}" if place else key)
    else:
        yield place, node
