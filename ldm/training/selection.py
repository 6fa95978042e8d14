"""Model selection: keeping the averaged weights with the best likelihood on held-out data."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor

from data import Batch
from ldm.distributed import rank
from ldm.hub import weights
from ldm.randomness import step_generator
from ldm.samplers import Likelihood, Unsolved
from ldm.training.training import Training

__all__ = ["KeepBest", "Selection"]


class Selection:
    """Options for selecting a prior by its likelihood on the val split.

    Args:
        every: training samples between two evaluations.
        likelihood: method that computes log densities.
        points: maximal number of points of the split to use, from its beginning.

    Raises:
        ValueError: `every` or `points` is less than 1.
    """

    def __init__(self, every: int, likelihood: Likelihood, points: int = 20_000) -> None:
        if every < 1 or points < 1:
            raise ValueError(
                f"selection needs every and points to be 1 or more, got {every} and {points}"
            )
        self.every, self.likelihood, self.points = every, likelihood, points


class KeepBest(pl.Callback):
    """Writes `best.safetensors` whenever the averaged weights reach a new highest likelihood.

    The best score so far is in every checkpoint, and scores depend on the weights alone, so a
    resumed run selects the same weights as an uninterrupted one.

    Args:
        path: of the file.
        selection: its options.
        batches: of the val split, in order; iterated at every evaluation.
    """

    def __init__(self, path: Path, selection: Selection, batches: Iterable[Batch]) -> None:
        self.path, self.selection, self.batches = path, selection, batches
        self.best = float("-inf")

    def on_train_batch_end(self, trainer, module: Training, *_) -> None:
        seen, before = module.samples_seen, module.samples_seen - module.batch_size
        due = seen // self.selection.every > before // self.selection.every
        if not (due or seen >= module.samples):
            return
        try:
            score = self._score(module)
        except Unsolved as error:  # may happen early in training: not a reason to stop
            warnings.warn(f"nothing is selected after {seen} samples: {error}", stacklevel=2)
            score = float("-inf")
        for logger in trainer.loggers:
            logger.log_metrics({"nll_val": -score}, step=seen)
        last_resort = seen >= module.samples and self.best == float("-inf")
        if score > self.best or last_resort:
            self.best = score
            if rank() == 0:
                weights.save(self.path, module.ema.model, {"samples": seen, "nll_val": -score})

    def state_dict(self) -> dict:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict) -> None:
        self.best = state_dict["best"]

    @torch.no_grad()
    def _score(self, module: Training) -> float:
        found: list[Tensor] = []
        for batch in self.batches:
            generator = step_generator(module.seed, 0, 0, module.device)
            batch = {key: value.to(module.device) for key, value in batch.items()}
            found.append(module.log_prob(batch, self.selection.likelihood, generator))
            if sum(map(len, found)) >= self.selection.points:
                break
        return torch.cat(found)[: self.selection.points].cpu().double().mean().item()
