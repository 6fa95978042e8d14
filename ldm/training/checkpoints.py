"""Saving the state of training, so that a run that stops for any reason goes on exactly."""

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import SIGTERMException

from ldm.hub.files import write_whole
from ldm.training.training import Training

__all__ = ["SaveCheckpoint"]


class SaveCheckpoint(pl.Callback):
    """Writes `last.ckpt` every so many samples, and when SIGTERM asks the run to stop.

    Args:
        path: of the checkpoint; the older one is replaced only by a whole one.
        every: samples between two checkpoints; the end has one, too.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every

    def on_train_batch_end(self, trainer, module: Training, *_) -> None:
        seen, before = module.samples_seen, module.samples_seen - module.batch_size
        if seen // self.every > before // self.every or seen >= module.samples:
            self.save(trainer)

    def on_exception(self, trainer, module: Training, exception: BaseException) -> None:
        if isinstance(exception, SIGTERMException):
            self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Collective: every rank takes part, the first one writes."""
        if trainer.is_global_zero:
            write_whole(self.path, lambda part: trainer.save_checkpoint(part, weights_only=False))
        else:
            trainer.save_checkpoint(self.path, weights_only=False)
