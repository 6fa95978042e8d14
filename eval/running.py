"""Scores of a prior in training, beside its loss at each record."""

import copy
import math
import warnings

import torch
from torch import nn

from eval.evaluation import Evaluation
from eval.record import Record
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.progress import without_progress
from ldm.run.parts import Parts
from ldm.samplers import Unsolved

__all__ = ["Running"]

UNSCORED = (Unsolved, ValueError, ArithmeticError, torch.linalg.LinAlgError)
"""Errors of samples that are far from data, as they are early in training."""


class Running:
    """Scores a prior in training with an evaluation, and leaves the training as it was.

    Args:
        evaluation: without scorers, nothing is done.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation

    def check(self, parts: Parts) -> None:
        """Check before training that a run can be scored; fetch missing files.

        Raises:
            ConfigError: as for `Scorer.check`.
        """
        try:
            self.evaluation.check(parts)
        except ConfigError as error:
            raise ConfigError(f"running: {error}") from error

    def score(self, parts: Parts) -> dict[str, float]:
        """Score on all ranks; returns `running_<score>` by name, finite numbers alone.

        A scorer that fails is warned of, and the training goes on.

        Args:
            parts: with the averaged weights of the prior, frozen.
        """
        record, device = Record(None), distributed.device()
        here = Parts(parts.config, parts.data, {k: _on(device, m) for k, m in parts.models.items()})
        forked = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(forked), without_progress():
            for scorer in self.evaluation.scorers:
                try:
                    scorer.score(here, record)
                except UNSCORED as error:
                    _warn(f"the running scores of {type(scorer).__name__} are missing: {error}")
        if wrong := [name for name, value in record.values.items() if not math.isfinite(value)]:
            _warn(f"running scores that are not finite are missing: {', '.join(wrong)}")
        return {f"running_{k}": x for k, x in record.values.items() if k not in wrong}


def _on(device: torch.device, model: nn.Module) -> nn.Module:
    """Return the model itself where it is on the device of scorers, else a copy of it there."""
    tensors = [*model.parameters(), *model.buffers()]
    there = all(tensor.device == device for tensor in tensors)
    return model if there else copy.deepcopy(model).to(device)


def _warn(message: str) -> None:
    if distributed.rank() == 0:
        warnings.warn(message, stacklevel=3)
