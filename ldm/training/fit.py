"""Running one stage with Lightning's Trainer, from its last checkpoint to its end."""

import json
import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from data import Batch
from data.files.whole import write_whole
from ldm.config.compose import ConfigError
from ldm.hub.weights import check_resumable
from ldm.networks.execution import compile_blocks, fast_precision
from ldm.stopping import Stopped
from ldm.training.checkpoints import SaveCheckpoint, WholeFiles
from ldm.training.pictures import SavePictures
from ldm.training.progress import ShowProgress
from ldm.training.records import CSV, LogMetrics
from ldm.training.training import Diverged, Training

__all__ = ["TrainerOptions", "fit", "make_trainer"]

# At its import Lightning has set these to say what devices, processes and epochs there are; its
# epoch is the whole training here.
for package in ("pytorch_lightning", "lightning_fabric"):
    logging.getLogger(package).setLevel(logging.WARNING)


@dataclass
class TrainerOptions:
    """Hardware and logging options; they do not change the result of training, except by rounding.

    Attributes:
        accelerator, devices, nodes, strategy, precision: Lightning's, where training stays exact:
            sharded weights (FSDP) would have another average and norm of the gradient than whole
            ones; precision `auto` is bf16-mixed on a GPU or CPU with native bf16 multiplication,
            where it is several times faster than float32, and 32-true elsewhere, where bf16 is many
            times slower.
        compile: compile the repeated blocks of the model.
        checkpointing: recompute activations in the backward pass, if the network supports it.
        accumulate: parts of a rank's batch over which the gradient is accumulated.
        cache_latents: encode the training set once, before a prior is trained.
        checkpoints, pictures, records: number of each that a stage writes, evenly spaced.
        callbacks: your own, called before a checkpoint is written.
    """

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: int | str = 1
    nodes: int = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed"] = "32-true"
    compile: bool = False
    checkpointing: bool = False
    accumulate: int = 1
    cache_latents: bool = True
    checkpoints: int = 20
    pictures: int = 5
    records: int = 100
    callbacks: Sequence[pl.Callback] = ()

    def __post_init__(self) -> None:
        least = {"nodes": 1, "accumulate": 1, "checkpoints": 0, "pictures": 0, "records": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be {bound} or more, got {getattr(self, name)}")
        if not re.fullmatch(r"auto|-1|[1-9]\d{0,4}|(\d+,)+\d*", str(self.devices)):
            raise ValueError(
                f"devices must be a number of them, -1 or auto for all, or which, such as '0,1', "
                f"got {self.devices}"
            )
        if wrong := [one for one in self.callbacks if not isinstance(one, pl.Callback)]:
            raise ValueError(f"callbacks must be Lightning's Callbacks, got {wrong}")


def make_trainer(options: TrainerOptions, partial: bool = False, **further: Any) -> pl.Trainer:
    """Build the Trainer of a stage; nothing is started.

    Args:
        options: see `TrainerOptions`.
        partial: whether steps leave some of the trained parameters without a gradient.
        **further: Lightning's.

    Raises:
        ConfigError: this machine does not have what `options` ask for.
    """
    precision = options.precision
    try:
        return pl.Trainer(
            accelerator=options.accelerator,
            devices=options.devices,
            num_nodes=options.nodes,
            strategy="ddp_find_unused_parameters_true"
            if partial and options.strategy == "ddp"
            else options.strategy,
            precision=fast_precision(options.accelerator) if precision == "auto" else precision,
            max_epochs=1,
            plugins=WholeFiles(),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            **{"logger": False, **further},
        )
    except (MisconfigurationException, ValueError, TypeError, ImportError, RuntimeError) as error:
        raise ConfigError(
            f"trainer.accelerator={options.accelerator} devices={options.devices} "
            f"strategy={options.strategy} cannot be had here: {' '.join(str(error).split())}; "
            f"trainer=auto takes one device, the best there is"
        ) from error


def fit(
    training: Training,
    folder: Path,
    options: TrainerOptions,
    draw: Callable[[Training], Tensor],
    loggers: Callable[[], list[Logger]] = list,
    callbacks: Sequence[pl.Callback] = (),
    held_out: Callable[[torch.device], Batch] | None = None,
    running: Callable[[Training], dict[str, float]] | None = None,
) -> None:
    """Train until `training.samples` have been seen, resuming from the folder's last checkpoint.

    Args:
        training: with its `batches` set.
        folder: of the stage; its name labels the progress bar.
        options: see `TrainerOptions`.
        draw: returns a picture `(3, h, w)` in [0, 1] of outputs of the averaged model.
        loggers: builds the loggers other than metrics.csv.
        callbacks: called before a checkpoint is written.
        held_out, running: see `LogMetrics`.

    Raises:
        Stopped: SIGTERM or SIGINT arrived, and the state is saved.
        Diverged: see `Training.minimize`.
    """
    last = folder / "checkpoints" / "last.ckpt"
    resume_at = check_resumable(last) if last.is_file() else 0
    prepare(training, options)
    training.accumulate = options.accumulate

    def every(count: int) -> int:
        return max(1, training.samples // count) if count else training.samples

    trainer = make_trainer(
        options,
        partial=training.partial,
        logger=[CSV(folder / "metrics.csv", resume_at), *loggers()],
        callbacks=[
            # Progress first: it counts as outside a step what those after it do. Records and
            # pictures before a checkpoint: everything before it is then on disk.
            ShowProgress(folder.name, every(20)),
            LogMetrics(every(options.records), held_out, running),
            SavePictures(folder / "samples", every(options.pictures), draw),
            *options.callbacks,
            *callbacks,
            SaveCheckpoint(last, every(options.checkpoints)),
        ],
        default_root_dir=folder,
    )
    began = time.perf_counter()
    try:
        trainer.fit(training, ckpt_path=last if last.is_file() else None, weights_only=True)
    except Diverged as error:
        remedies = _remedies(folder.name, training, trainer.precision)
        raise Diverged(f"{error}: {remedies}") from error
    finally:
        if trainer.is_global_zero:
            machine = f"{_machine(training.device)}, {trainer.precision}"
            with suppress(OSError):  # of a full disk, what has failed before it tells
                _note_effort(folder / "effort.json", time.perf_counter() - began, machine)
    if stop := training.told_to_stop():  # too late for a step, and not passed on by Lightning
        raise Stopped(stop, "state saved")


def _remedies(stage: str, training: Training, precision: str) -> str:
    """Say how to go on from the last checkpoint of a stage that diverged."""
    rate = training.make_optimizer([nn.Parameter(torch.zeros(1, 1))]).param_groups[0]["lr"]
    clip = 1 if training.clip is None else training.clip / 2
    lower = {"optimizer.lr": rate / 2, "clip": clip}
    ways = [
        # The signs set it also where the configuration does not have it.
        f"++{stage}.training.{key}={value:g} allow_change=[{stage}.training.{key}]"
        for key, value in lower.items()
    ]
    if precision != "32-true":
        ways.insert(0, "trainer.precision=32-true")
    return "\n  ".join(["the last checkpoint is kept; run the same command again with", *ways])


def _machine(device: torch.device) -> str:
    cores = f"{torch.get_num_threads()} of {os.cpu_count()} CPU cores"
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cores


def _note_effort(path: Path, seconds: float, machine: str) -> None:
    """Add `seconds` to the stage's recorded training time, and record the machine."""
    try:
        before = float(json.loads(path.read_text())["seconds"])
    except (OSError, ValueError, TypeError, LookupError):  # none yet, or a damaged one
        before = 0.0
    effort = json.dumps({"seconds": before + seconds, "machine": machine}, indent=2)
    write_whole(path, lambda part: part.write_text(effort + "\n"))


def prepare(training: Training, options: TrainerOptions) -> None:
    """Compile the model's repeated blocks and enable activation checkpointing, if configured."""
    if options.compile:
        compile_blocks(training.model)
    for module in training.model.modules():
        if options.checkpointing and hasattr(module, "checkpointing"):
            module.checkpointing = True
