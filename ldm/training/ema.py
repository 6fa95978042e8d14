"""Exponential moving average of weights, for evaluation."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["EMA"]


class EMA(nn.Module):
    """A moving average of a model's weights; a submodule, so its state is in every checkpoint.

    It is kept in float32 or better, also of a model in bf16, whose 8 bits would round every update
    away: moved to bf16 with the module around it, it only changes device.

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
        self._apply(lambda tensor: tensor)

    @torch.no_grad()
    def update(self, model: nn.Module, largest: float = 1.0) -> None:
        """Average in the current weights; buffers (running statistics, codebooks) are copied.

        Args:
            model: the model that is averaged.
            largest: upper bound of the decay, for early updates.
        """
        mine = list(self.model.parameters())
        theirs = [p.detach() for p in model.parameters()]
        theirs = [p.to(own.dtype) for own, p in zip(mine, theirs, strict=True)]
        torch._foreach_lerp_(mine, theirs, 1 - min(self.decay, largest))
        for own, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(buffer)

    def train(self, mode: bool = True) -> "EMA":
        """Stay in evaluation mode, whatever mode the trainer sets."""
        return super().train(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "EMA":
        def precise(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            low = moved.is_floating_point() and torch.finfo(moved.dtype).bits < 32
            return tensor.to(moved.device).float() if low else moved

        return super()._apply(precise, recurse)
