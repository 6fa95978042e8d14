"""Adam for parameters that are points of a manifold: codes, prototypes, tree embeddings."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ldm.spaces.space import Space
from ldm.tensors import like

__all__ = ["RiemannianAdam"]


class RiemannianAdam(Optimizer):
    """Adam with a step size adapted per point, since a manifold has no intrinsic coordinates.

    A parameter group with a key `space` holds tensors whose rows are points of it. Each row has one
    first moment, a tangent vector moved by parallel transport, and one second moment, of the
    gradient's squared norm; steps follow geodesics (Becigneul and Ganea 2019, "Riemannian adaptive
    optimization methods", section 4, with Adam's bias corrections). Other groups get plain Adam,
    numerically equal to `torch.optim.Adam`.

    Args:
        params: parameters, or groups of them: dicts with keys `params`, `space` (or None) and any
            of the options below.
        lr: learning rate; for points, the length of the first steps.
        betas: decay rates of the first and second moments.
        eps: added to the square root of the second moments.
        amsgrad: divide by the largest second moment so far, which ensures convergence on convex
            problems.

    Raises:
        ValueError: an option is out of range, rows do not have the shape of their space's points,
            or, in `load_state_dict`, a group was saved with another space.

    Example: codes on a sphere beside the weights of a network.
        >>> from ldm.spaces import Sphere
        >>> codes = torch.nn.Parameter(Sphere(2).random(512))
        >>> weights = torch.nn.Linear(3, 3).parameters()
        >>> groups = [{"params": weights}, {"params": codes, "space": Sphere(2), "lr": 0.01}]
        >>> optimizer = RiemannianAdam(groups, lr=1e-3)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        amsgrad: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "amsgrad": amsgrad, "space": None}
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, after the same checks as at construction."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        if group["lr"] < 0 or group["eps"] < 0 or not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(
                f"lr and eps must be 0 or more and betas in [0, 1), "
                f"got {group['lr']}, {group['eps']} and {group['betas']}"
            )
        space = group["space"]
        for p in group["params"]:
            if space is not None and p.shape[1:] != space.shape:
                raise ValueError(
                    f"rows of parameters on {space} have shape {space.shape}, "
                    f"got a parameter of shape {tuple(p.shape)}"
                )

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Move each parameter that has a gradient; returns the loss of the closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._move(p, group)
        return loss

    def _move(self, p: Tensor, group: dict[str, Any]) -> None:
        space, (beta_1, beta_2) = group["space"], group["betas"]
        g = p.grad if space is None else space.gradient(p, p.grad)
        square = g.square() if space is None else like(space.inner(p, g, g), p)
        state = self.state[p]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(p)
            state["exp_avg_sq"] = torch.zeros_like(square)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = torch.zeros_like(square)
        state["step"] += 1
        count = state["step"].item()
        mean = state["exp_avg"].lerp_(g, 1 - beta_1)
        spread = state["exp_avg_sq"].lerp_(square, 1 - beta_2)
        if group["amsgrad"]:
            spread = state["max_exp_avg_sq"].copy_(spread.maximum(state["max_exp_avg_sq"]))
        root = (spread / (1 - beta_2**count)).sqrt() + group["eps"]
        change = mean / root * (-group["lr"] / (1 - beta_1**count))
        if space is None:
            p.add_(change)
        else:
            moved = space.exp(p, change)
            mean.copy_(space.transport(p, moved, mean))
            p.copy_(moved)

    def state_dict(self) -> dict[str, Any]:
        """State with spaces stored by name, so that it loads without unpickling classes."""
        state = super().state_dict()
        named = [group | {"space": _name(group["space"])} for group in state["param_groups"]]
        return state | {"param_groups": named}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state; the groups must have the spaces that they were saved with."""
        spaces = [group["space"] for group in self.param_groups]
        own, saved = map(_name, spaces), [group["space"] for group in state_dict["param_groups"]]
        if (own := list(own)) != saved:
            raise ValueError(
                f"this state is of parameter groups on the spaces {saved}, here they are on {own}: "
                f"build the optimizer as it was when the state was saved"
            )
        super().load_state_dict(state_dict)
        for group, space in zip(self.param_groups, spaces, strict=True):
            group["space"] = space


def _name(space: Space | None) -> str | None:
    return None if space is None else repr(space)
