"""Grids of pictures, while training and at its end."""

import math
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor
from torchvision.utils import make_grid, save_image

from ldm.training.training import Training

__all__ = ["SavePictures", "save_grid"]


def save_grid(path: Path, images: Float[Tensor, "n c h w"], columns: int | None = None) -> None:
    """Images in [-1, 1] side by side, small ones enlarged so that a person sees their pixels."""
    columns = columns or math.ceil(math.sqrt(len(images)))
    factor = max(1, round(64 / images.shape[-1]))
    images = images.float().cpu().clamp(-1, 1).add(1).div(2)
    images = images.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(make_grid(images, nrow=columns, pad_value=1), path)


class SavePictures(pl.Callback):
    """Writes `samples/<samples seen>.png` and hands it to the loggers that take pictures.

    Args:
        folder: of the pictures.
        every: samples between two of them.
        draw: images in [-1, 1] from the averaged model.
        columns: of the grid.
    """

    def __init__(
        self, folder: Path, every: int, draw: Callable[[Training], Tensor], columns: int
    ) -> None:
        self.folder, self.every, self.draw, self.columns = folder, every, draw, columns

    def on_train_batch_end(self, trainer, module: Training, *_) -> None:
        seen, before = module.samples_seen, module.samples_seen - module.batch_size
        due = seen // self.every > before // self.every or seen >= module.samples
        if not (due and trainer.is_global_zero):
            return
        with torch.no_grad():
            images = self.draw(module)
        path = self.folder / f"{seen:09d}.png"
        save_grid(path, images, self.columns)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("samples", [str(path)], step=seen)
            elif isinstance(logger, TensorBoardLogger):
                shown = images.clamp(-1, 1).add(1).div(2)
                logger.experiment.add_images("samples", shown, seen)
