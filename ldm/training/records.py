"""What a run writes down while it trains: metrics.csv always, other loggers by configuration."""

import csv
import os
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from ldm import distributed
from ldm.hub.files import write_whole
from ldm.training.training import Training

__all__ = ["CSV", "LogMetrics", "tensorboard", "wandb"]


class CSV(Logger):
    """One row for each record, its step counted in samples.

    A resumed run drops the rows beyond its checkpoint, so the file is that of an uninterrupted one.

    Args:
        path: of the file.
        resume_at: samples seen by the checkpoint that training goes on from.
    """

    name, version = "csv", ""

    def __init__(self, path: Path, resume_at: int = 0) -> None:
        super().__init__()
        self.path = path
        self.rows: list[dict[str, str]] = []
        self.names: list[str] = []
        self._whole = False  # the file holds just `rows`: it may be appended to
        if path.is_file():
            with path.open(newline="") as file:
                rows = csv.DictReader(file)
                self.rows = [row for row in rows if int(row["samples"]) <= resume_at]
            self.names = list(self.rows[0]) if self.rows else []

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = {"samples": str(step), **{name: f"{value:.9g}" for name, value in metrics.items()}}
        self.rows.append(row)
        new = [name for name in row if name not in self.names]
        self.names += new
        if self._whole and not new:
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self.names).writerow(row)
        else:
            write_whole(self.path, self._write)
            self._whole = True

    def _write(self, path: Path) -> None:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.names)
            writer.writeheader()
            writer.writerows(self.rows)

    def log_hyperparams(self, *args, **kwargs) -> None:
        """Nothing: config.yaml lies beside the file."""


class LogMetrics(pl.Callback):
    """Hands what a step logs, averaged over ranks, to every logger: now and then, and at the end.

    Args:
        every: samples between two records.
    """

    def __init__(self, every: int) -> None:
        self.every = every

    def on_train_batch_end(self, trainer, module: Training, *_) -> None:
        seen, before = module.samples_seen, module.samples_seen - module.batch_size
        if seen // self.every > before // self.every or seen >= module.samples:
            means = distributed.mean(torch.stack([x.float() for x in module.logs.values()]))
            values = dict(zip(module.logs, means.tolist(), strict=True))
            for logger in trainer.loggers:
                logger.log_metrics(values, step=seen)


def tensorboard(folder: Path, name: str, config: dict) -> Logger:
    """Event files under the stage's folder."""
    return TensorBoardLogger(folder, name="", version="tensorboard")


def wandb(folder: Path, name: str, config: dict, project: str = "ldm") -> Logger:
    """A Weights & Biases run; offline, to be synced later, unless logged in."""
    import wandb as service

    logged_in = bool(os.environ.get("WANDB_API_KEY") or service.api.api_key)
    return WandbLogger(
        name=name, project=project, save_dir=folder, config=config, offline=not logged_in
    )
