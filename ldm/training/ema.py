"""Exponential moving average of weights, for evaluation."""

import copy

import torch
from torch import nn

__all__ = ["EMA"]


class EMA(nn.Module):
    """A moving average of a model's weights; a submodule, so its state is in every checkpoint.

    Args:
        model: copied with its current weights.
        decay: weight of the old average at each update; with 0 it equals the model.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> EMA(model, 0.999).model.weight.requires_grad
        False
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"an EMA decay must be in [0, 1), got {decay}")
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, largest: float = 1.0) -> None:
        """Average in the current weights; buffers (running statistics, codebooks) are copied.

        Args:
            model: the model that is averaged.
            largest: upper bound of the decay, for early updates.
        """
        torch._foreach_lerp_(
            list(self.model.parameters()),
            [p.detach() for p in model.parameters()],
            1 - min(self.decay, largest),
        )
        for mine, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)

    def train(self, mode: bool = True) -> "EMA":
        """Stay in evaluation mode, whatever mode the trainer sets."""
        return super().train(False)
