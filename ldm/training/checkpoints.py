"""Checkpoints from which an interrupted run resumes exactly."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from data.files.whole import write_whole
from ldm.stopping import Stopped
from ldm.training.training import Training

__all__ = ["SaveCheckpoint", "WholeFiles"]


class WholeFiles(TorchCheckpointIO):
    """Writes checkpoints beside their names and moves them there when they are whole.

    Lightning would hold a copy in memory, and write it to the folder of temporary files first.
    """

    def save_checkpoint(self, checkpoint: dict, path: str | Path, storage_options=None) -> None:
        write_whole(Path(path), lambda part: torch.save(checkpoint, part))


class SaveCheckpoint(pl.Callback):
    """Writes `last.ckpt` every `every` samples, at the end, and when the run is told to stop.

    Args:
        path: of the checkpoint; a complete new one replaces the older one.
        every: samples between two checkpoints.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every

    def on_train_batch_end(self, trainer, module: Training, *_) -> None:
        seen, before = module.samples_seen, module.samples_seen - module.batch_size
        stop = module.told_to_stop()
        if stop or seen // self.every > before // self.every or seen >= module.samples:
            self.save(trainer)
        if stop:
            raise Stopped(stop, "state saved")

    def save(self, trainer: pl.Trainer) -> None:
        """Write the checkpoint; a collective call of all ranks, of which the first writes.

        Raises:
            Diverged: weights are not finite; the older checkpoint is kept.
        """
        training: Training = trainer.lightning_module
        names, parameters = zip(*training.named_parameters(), strict=True)
        norms = torch._foreach_norm([p.detach() for p in parameters])
        training.refuse_nonfinite(dict(zip(names, norms, strict=True)))
        trainer.save_checkpoint(self.path, weights_only=False)
