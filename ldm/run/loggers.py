"""The loggers of a run, other than its own csv and json files."""

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from ldm.run.folder import Run
from ldm.run.parts import build_part

__all__ = ["build_loggers"]


def build_loggers(config: DictConfig, run: Run, part: str) -> list[Logger]:
    """Build the loggers other than metrics.csv and metrics.json, for a stage or the evaluation."""
    plain = OmegaConf.to_container(config, resolve=True)
    given = {"folder": run.stage(part), "run": run.folder.name, "part": part, "config": plain}
    return [build_part(config, f"logger.{key}", **given) for key in config.logger or ()]
