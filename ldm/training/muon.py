"""Muon for hidden layers, AdamW for the rest, as one optimizer."""

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

__all__ = ["MuonAdamW"]


class MuonAdamW(Optimizer):
    """Orthogonalised momentum for square matrices; AdamW for all other parameters.

    Square matrices are the layers between hidden units of one width, where Muon is meant to work
    (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024); the first and
    the last layer, biases and gains are AdamW's.

    Args:
        params: of the model.
        lr: of Muon.
        weight_decay: of Muon, a share of `lr`.
        momentum: of Muon, Nesterov's.
        adam_lr: of AdamW.
        adam_weight_decay: of AdamW, a share of `adam_lr`.

    Raises:
        ValueError: there is no square matrix.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-2,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        adam_lr: float = 1e-3,
        adam_weight_decay: float = 0.0,
    ) -> None:
        params = list(params)
        square = [p for p in params if p.ndim == 2 and p.shape[0] == p.shape[1]]
        rest = [p for p in params if not any(p is q for q in square)]
        if not square:
            raise ValueError("Muon is for square matrices, and there is none: train with AdamW")
        self.parts = [
            Muon(square, lr=lr, weight_decay=weight_decay, momentum=momentum),
            AdamW(rest, lr=adam_lr, weight_decay=adam_weight_decay),
        ]
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of both."""
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
        """Let both work on the groups and the state that this optimizer saves."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state
