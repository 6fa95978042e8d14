"""Files of a run folder."""

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data.files.whole import write_whole
from ldm.config.compose import ConfigError
from ldm.config.yaml_files import read_yaml
from ldm.distributed import leads
from ldm.hub.weights import read_facts, samples_seen
from ldm.run.changes import changes
from ldm.run.environment import environment

__all__ = ["Run", "append", "read_config", "write_config"]

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
        """File with the scores of the run's own evaluation, which training ends with."""
        return self.folder / "metrics.json"

    @property
    def evaluations(self) -> Path:
        """Folder of further evaluations, each in a folder of its name."""
        return self.folder / "evaluations"

    @property
    def efforts(self) -> list[Path]:
        """Files with training time and machine of each stage."""
        return sorted(self.folder.glob("*/effort.json"))

    @property
    def latents(self) -> Path:
        """Folder of latent caches, shared by all runs in the same parent folder."""
        return self.folder.parent / ".latents"

    def begun(self, name: str) -> bool:
        """Return True if a stage was trained here, to its end or not."""
        return self.checkpoint(name).is_file() or self.model(name).is_file()

    def finished(self, name: str, config: DictConfig) -> bool:
        """Return True if a stage was trained to the end that the configuration wants."""
        path = self.model(name)
        if not path.is_file():
            return False
        training = config[name].get("training")
        seen = read_facts(path).get("samples")
        return training is None or seen is None or seen >= training.samples

    def seen(self, name: str) -> int:
        """Samples that a stage has seen at its checkpoint, which is sound; 0 without one."""
        path = self.checkpoint(name)
        return samples_seen(path) if path.is_file() else 0

    def changed(self, name: str, config: DictConfig) -> list[tuple[str, Any, Any]]:
        """Compare a configuration with the one that a stage was begun with: see `changes`."""
        path = self.stage(name) / "config.yaml"
        if not (self.begun(name) and path.is_file()):
            return []
        return changes(read_config(path), config, name)

    def keep_config(self, name: str, config: DictConfig, seen: int = 0) -> None:
        """Write the configuration of a stage that starts or resumes.

        What has changed since it was begun is added to `changes.json`.

        Args:
            name: of the stage.
            config: of the experiment.
            seen: samples that the stage has seen.
        """
        if not leads():
            return
        new = [
            {"samples": seen, "key": key, "before": before, "now": now}
            for key, before, now in self.changed(name, config)
        ]
        if new:
            append(self.stage(name) / "changes.json", new)
        write_config(self.stage(name) / "config.yaml", config)

    def keep_environment(self, name: str, seen: int) -> None:
        """Add to `environment.json` what a stage that starts or resumes is trained by."""
        if leads():
            append(self.stage(name) / "environment.json", [{"samples": seen, **environment()}])


def write_config(path: Path, config: DictConfig) -> None:
    """Write a configuration with `run` last: a file that is cut short lacks it."""
    plain = OmegaConf.to_container(config)
    plain["run"] = plain.pop("run")
    text = OmegaConf.to_yaml(OmegaConf.create(plain))
    write_whole(path, lambda temporary: temporary.write_text(text))


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


def append(path: Path, entries: list[Any]) -> None:
    """Add entries to a JSON list in a file, which is made if it is missing.

    Raises:
        ConfigError: the file is damaged.
    """
    try:
        old = json.loads(path.read_text()) if path.is_file() else []
        text = json.dumps([*old, *entries], indent=2, default=str) + "\n"
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is damaged ({error}): copy it again, or delete it") from error
    write_whole(path, lambda temporary: temporary.write_text(text))
