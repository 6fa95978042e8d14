"""Muon for hidden layers, AdamW for the rest, as one optimizer."""

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

__all__ = ["MuonAdamW"]


class MuonAdamW(Optimizer):
    """Orthogonalised momentum for matrices of hidden layers; AdamW for all other parameters.

    Muon is designed for hidden layers (Jordan et al., "Muon: an optimizer for hidden layers in
    neural networks", 2024), which are told by the shapes of their matrices: square between layers
    of equal width. AdamW trains the first and last layers, biases and gains.

    Args:
        params: of the model.
        lr: Muon's learning rate.
        weight_decay: Muon's decoupled weight decay, multiplied by `lr`.
        momentum: Muon's Nesterov momentum.
        adam_lr: AdamW's learning rate.
        adam_weight_decay: AdamW's decoupled weight decay, multiplied by `adam_lr`.
        stretch: the most that a hidden matrix's longer side exceeds the shorter by, as a factor: 1
            for square ones, 4 for those of attention and perceptrons in transformers, too.

    Raises:
        ValueError: there is no such matrix.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-2,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        adam_lr: float = 1e-3,
        adam_weight_decay: float = 0.0,
        stretch: float = 1.0,
    ) -> None:
        params = list(params)
        hidden = [p for p in params if p.ndim == 2 and max(p.shape) <= stretch * min(p.shape)]
        rest = [p for p in params if not any(p is q for q in hidden)]
        if not hidden:
            raise ValueError("Muon is for hidden matrices, and there is none: train with AdamW")
        self.parts = [
            Muon(hidden, lr=lr, weight_decay=weight_decay, momentum=momentum),
            AdamW(rest, lr=adam_lr, weight_decay=adam_weight_decay),
        ]
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step of both optimizers; returns the loss of the closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Make both optimizers use the parameter groups and state that this one saves."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state
