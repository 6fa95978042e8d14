"""Pictures of samples or reconstructions, during training and at its end."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor

from data.images.grid import save_picture
from ldm.samplers import Unsolved
from ldm.training.records import log_picture
from ldm.training.training import Training

__all__ = ["SavePictures"]


class SavePictures(pl.Callback):
    """Writes `samples/<samples seen>.png`, or `.gif` and `.mp4`, and passes it to the loggers.

    Args:
        folder: of the pictures.
        every: samples between two pictures.
        draw: returns a picture `(3, h, w)` or a clip `(t, 3, h, w)`, in [0, 1], of outputs of the
            averaged model.
    """

    def __init__(self, folder: Path, every: int, draw: Callable[[Training], Tensor]) -> None:
        self.folder, self.every, self.draw = folder, every, draw

    def on_train_batch_end(self, trainer, module: Training, *_) -> None:
        seen, before = module.samples_seen, module.samples_seen - module.batch_size
        due = seen // self.every > before // self.every or seen >= module.samples
        if not (due and trainer.is_global_zero):
            return
        try:
            with torch.no_grad():
                picture = self.draw(module)
        except Unsolved as error:  # may happen early in training: not a reason to stop
            warnings.warn(f"no picture after {seen} samples: {error}", stacklevel=2)
            return
        shown, *_ = save_picture(self.folder / f"{seen:09d}.png", picture)
        for logger in trainer.loggers:
            log_picture(logger, "samples", shown, seen)
