"""Records of training: metrics.csv, and what every logger is given."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from data import Batch
from data.files.full import needs_space
from data.files.whole import write_whole
from ldm import distributed
from ldm.randomness import step_generator
from ldm.training.loggers import RunLogger
from ldm.training.training import Training

__all__ = ["CSV", "LogMetrics", "log_picture", "sound_rows"]


class CSV(Logger):
    """Writes metrics to a CSV file, one row per record, with steps counted in samples.

    A resumed run drops the rows beyond its checkpoint, so the file equals an uninterrupted run's,
    and those from the first that is damaged on.

    Args:
        path: of the file.
        resume_at: samples seen at the checkpoint that training resumes from.
    """

    name, version = "csv", ""

    def __init__(self, path: Path, resume_at: int = 0) -> None:
        super().__init__()
        self.path = path
        self.rows: list[dict[str, str]] = []
        self.names: list[str] = []
        self._whole = False  # True once the file equals `rows` and can be appended to
        if path.is_file():
            self.rows = sound_rows(path, resume_at)
            self.names = list(self.rows[0]) if self.rows else []

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = {"samples": str(step), **{name: f"{value:.9g}" for name, value in metrics.items()}}
        self.rows.append(row)
        new = [name for name in row if name not in self.names]
        self.names += new
        if self._whole and not new:
            with needs_space(self.path), self.path.open("a", newline="") as file:
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
        """Do nothing: config.yaml is beside the file."""


def sound_rows(path: Path, resume_at: float = math.inf) -> list[dict[str, str]]:
    """Read rows up to `resume_at` samples, or the first that is cut, not numbers or out of order.

    All rows are written in the order of samples, each ended by a new line.
    """
    rows: list[dict[str, str]] = []
    names: list[str] = []
    seen = 0
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            cells = next(csv.reader([line.decode().rstrip("\r")]), [])
            if names:
                samples, *values = (float(cell) for cell in cells if cell)
                row = dict(zip(names, cells, strict=True))
        except (ValueError, csv.Error):
            break
        if not names:
            names = cells
            if names[:1] != ["samples"]:
                break
        elif not cells[0].isdecimal() or not values or not seen <= samples <= resume_at:
            break
        else:
            rows.append(row)
            seen = samples
    return rows


class LogMetrics(pl.Callback):
    """Passes the metrics of a step, averaged over ranks, to every logger, also at the end.

    With them go the learning rate, and of the averaged weights `held_out_loss` and running scores.
    That loss has the same samples and noise at every record and on any number of devices, so that
    records compare. What is suspicious in a record is printed once.

    Args:
        every: samples between two records.
        held_out: returns a batch that is not trained on, on a device; None for no such loss.
        running: returns scores by name, called on all ranks; None for no scores.
    """

    def __init__(
        self,
        every: int,
        held_out: Callable[[torch.device], Batch] | None = None,
        running: Callable[[Training], dict[str, float]] | None = None,
    ) -> None:
        self.every, self.held_out, self.running = every, held_out, running
        self.batch: Batch | None = None
        self.said: set[str] = set()

    def on_train_batch_end(self, trainer, module: Training, *_) -> None:
        seen, before = module.samples_seen, module.samples_seen - module.batch_size
        if seen // self.every > before // self.every or seen >= module.samples:
            means = distributed.mean(torch.stack([x.float() for x in module.logs.values()]))
            values = dict(zip(module.logs, means.tolist(), strict=True))
            scores = {} if self.running is None else self.running(module)
            if trainer.is_global_zero:
                values["learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
                values |= self._held_out(module)
                self._say(module.doubt(values), seen)
            for logger in trainer.loggers:
                logger.log_metrics(values | scores, step=seen)

    def _say(self, doubt: str | None, seen: int) -> None:
        if doubt is not None and doubt not in self.said:
            self.said.add(doubt)
            print(f"after {seen:,} samples {doubt}", flush=True)

    def _held_out(self, module: Training) -> dict[str, float]:
        if self.held_out is None:
            return {}
        if self.batch is None:
            self.batch = self.held_out(module.device)
        generator = step_generator(module.seed, 0, 0, module.device)
        return {"held_out_loss": module.held_out_loss(self.batch, generator).item()}


def log_picture(logger: Logger, name: str, path: Path, step: int | None) -> None:
    """Pass a picture to a logger, if it accepts pictures."""
    if isinstance(logger, RunLogger):
        logger.log_picture(name, path, step)
