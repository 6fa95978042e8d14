"""Saving the state of training, so that a run that stops for any reason goes on exactly."""

import signal
import threading
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from data.files.whole import write_whole
from ldm import distributed
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
        self.asked = False

    def on_train_start(self, *_) -> None:
        # In place of Lightning's handler, which talks to the other ranks from wherever the signal
        # finds it, and hangs them when they are somewhere else. Lightning puts the old one back.
        self.asked = False
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._ask)

    def on_train_batch_end(self, trainer, module: Training, *_) -> None:
        seen, before = module.samples_seen, module.samples_seen - module.batch_size
        stop = distributed.anywhere(self.asked)
        if stop or seen // self.every > before // self.every or seen >= module.samples:
            self.save(trainer)
        if stop:
            raise SIGTERMException

    def save(self, trainer: pl.Trainer) -> None:
        """Collective: every rank takes part, the first one writes.

        Raises:
            Diverged: weights are not finite; the older checkpoint stays.
        """
        training: Training = trainer.lightning_module
        names, parameters = zip(*training.named_parameters(), strict=True)
        norms = torch._foreach_norm([p.detach() for p in parameters])
        training.refuse_nonfinite(dict(zip(names, norms, strict=True)))
        if trainer.is_global_zero:
            write_whole(self.path, lambda part: trainer.save_checkpoint(part, weights_only=False))
        else:
            trainer.save_checkpoint(self.path, weights_only=False)

    def _ask(self, *_) -> None:
        self.asked = True
