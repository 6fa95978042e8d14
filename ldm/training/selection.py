"""Keeping the averaged weights that score best on held-out data, rather than the last ones."""

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
    """Likelihood of the val split, now and then, by which a prior is selected.

    Args:
        every: samples of training between two looks.
        likelihood: how it is found.
        points: at most so many of the split, its first ones, are looked at.

    Raises:
        ValueError: there is no sample between two looks, or no point to look at.
    """

    def __init__(self, every: int, likelihood: Likelihood, points: int = 20_000) -> None:
        if every < 1 or points < 1:
            raise ValueError(
                f"selection needs every and points to be 1 or more, got {every} and {points}"
            )
        self.every, self.likelihood, self.points = every, likelihood, points


class KeepBest(pl.Callback):
    """Writes `best.safetensors` whenever the averaged weights have a higher likelihood than before.

    The best score so far is in every checkpoint; a look is a function of the weights alone. So a
    resumed run selects what an uninterrupted one does.

    Args:
        path: of the file.
        selection: when and how.
        batches: of the val split, in order; gone through at every look.
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
        except Unsolved as error:  # what is half trained may yet come to something
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
        return torch.cat(found)[: self.selection.points].double().mean().item()
