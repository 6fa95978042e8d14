"""Checkpoints from which an interrupted run resumes exactly."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor
from torch.optim import Optimizer

from data.files.whole import write_whole
from ldm.hub.weights import BadCheckpoint
from ldm.stopping import Stopped
from ldm.training.training import Training

__all__ = ["SaveCheckpoint", "WholeFiles", "check_fits"]


LIGHTNINGS = ("callbacks", "epoch", "global_step", "lr_schedulers", "pytorch-lightning_version")


def check_fits(path: Path, training: Training) -> None:
    """Refuse a checkpoint of another training, such as another stage's, before anything begins.

    Args:
        path: of the checkpoint, which `check_resumable` has accepted.
        training: that shall resume from it.

    Raises:
        BadCheckpoint: tensors or keys are missing, unknown, or of another shape or kind.
    """
    state = torch.load(path, map_location="meta", weights_only=True)
    wrong = [key for key in LIGHTNINGS if key not in state]
    expected, found = _kinds(training.state_dict()), _kinds(state.get("state_dict"))
    names = sorted(expected.keys() | found.keys())
    wrong += [
        f"{name} is {found.get(name, 'missing')}, not {expected.get(name, 'expected at all')}"
        for name in names
        if expected.get(name) != found.get(name)
    ]
    if not wrong:
        wrong = _wrong_optimizers(state.get("optimizer_states"), training.configure_optimizers())
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise BadCheckpoint(
            f"{path} is not a state of this training ({'; '.join(wrong[:3])}{more}): put the right "
            f"file there, or delete it to train this stage anew"
        )


def _kinds(tensors: Any) -> dict[str, str]:
    """Describe tensors by name: shape, and floating-point numbers or integers."""
    return {
        name: f"{'floats' if x.is_floating_point() else 'integers'} of shape {tuple(x.shape)}"
        if isinstance(x, Tensor)
        else type(x).__name__
        for name, x in (tensors if isinstance(tensors, Mapping) else {}).items()
    }


def _wrong_optimizers(states: Any, optimizers: Sequence[Optimizer]) -> list[str]:
    try:
        for number, (state, own) in enumerate(zip(states, optimizers, strict=True)):
            groups = own.state_dict()["param_groups"]
            for group, expected in zip(state["param_groups"], groups, strict=True):
                if len(group["params"]) != len(expected["params"]):
                    return [f"optimizer {number} is of other parameters"]
            parameters = [p for group in own.param_groups for p in group["params"]]
            for index, moments in state["state"].items():
                for name in moments.keys() & {"exp_avg", "momentum_buffer"}:
                    if moments[name].shape != parameters[index].shape:
                        return [f"{name} {index} of optimizer {number} is of another shape"]
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        return [f"optimizer_states are damaged: {error}"]
    return []


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
