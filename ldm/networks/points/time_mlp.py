"""The perceptron of Riemannian flow matching, whose layers are all shifted and gated by the time.

Source: Chen and Lipman, "Flow matching on general geometries", 2024, the appendix on experiments.
Published weights named `layers.{2 k}.module._layer`, `layers.{2 k}.module._hyper_bias` and
`layers.{2 k + 1}.module.beta` correspond to `blocks.{k}.linear`, `.time` and `.beta` here, the last
layer to `head`. Parameters keep the published order, because published averages have no names.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.points.mlp import read_points

__all__ = ["TimeMLP"]


class TimeLinear(nn.Module):
    """Linear layer W x + b + c t, with c zero at initialisation."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.time = nn.Linear(1, out_features, bias=False)
        nn.init.zeros_(self.time.weight)

    def forward(self, x: Float[Tensor, "n _"], t: Float[Tensor, "n 1"]) -> Float[Tensor, "n _"]:
        return self.linear(x) + self.time(t)


class Block(TimeLinear):
    """A `TimeLinear` and a swish h sigmoid(beta h), whose beta per unit depends on the time."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        hidden = min(64, 4 * out_features)
        self.beta = nn.Sequential(
            nn.Linear(1, hidden), nn.Softplus(), nn.Linear(hidden, out_features), nn.Softplus()
        )

    def forward(self, x: Float[Tensor, "n _"], t: Float[Tensor, "n 1"]) -> Float[Tensor, "n _"]:
        h = super().forward(x, t)
        return h * torch.sigmoid(h * self.beta(t))


class TimeMLP(nn.Module):
    """A perceptron of a point with the time as input to every layer.

    Args:
        shape: shape of one point in ambient coordinates.
        width: units of each hidden layer.
        depth: number of linear layers, including the last.
        out: number of outputs; None for one vector of shape `shape`.
        features: module that replaces the coordinates by features; has `out_features`.

    Raises:
        ValueError: `depth` is below 2, or points have another shape.

    Example: the published network for volcanoes.
        >>> mlp = TimeMLP([3], width=2048, depth=12)
        >>> mlp(torch.zeros(2, 3), torch.rand(2)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 512,
        depth: int = 6,
        out: int | None = None,
        features: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"a first and a last layer make a depth of 2 or more, got {depth}")
        self.shape = tuple(shape)
        self.out_shape = self.shape if out is None else (out,)
        self.features = features
        read = math.prod(self.shape) if features is None else features.out_features
        widths = [read, *[width] * (depth - 2)]
        self.blocks = nn.ModuleList(Block(size, width) for size in widths)
        self.head = TimeLinear(width, math.prod(self.out_shape))

    def forward(self, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        """Evaluate at points `x` and times `t`."""
        h, t = read_points(x, self.shape, self.features), t[:, None].to(x.dtype)
        for block in self.blocks:
            h = block(h, t)
        return self.head(h, t).unflatten(1, self.out_shape)
