"""Multilayer perceptrons on points of manifolds, the score and drift networks of three papers.

Sources: De Bortoli et al., "Riemannian score-based generative modelling", 2022; Lou et al.,
"Scaling Riemannian diffusion models", 2023; Jo and Hwang, "Generative modeling on manifolds through
mixture of Riemannian diffusion processes", 2024.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ldm.networks.embedders import LabelEmbedder

__all__ = ["ACTIVATIONS", "MLP", "read_points"]


class Sine(nn.Module):
    """Sine activation."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sin()


ACTIVATIONS = {"sin": Sine, "silu": nn.SiLU, "gelu": nn.GELU, "relu": nn.ReLU}
"""Activations by name; SiLU is also called swish."""


def read_points(
    x: Float[Tensor, "n ..."], shape: Sequence[int], features: nn.Module | None
) -> Float[Tensor, "n _"]:
    """Flatten points to the input of a perceptron, or compute their `features`.

    Raises:
        ValueError: the points do not have this `shape`.
    """
    if x.shape[1:] != tuple(shape):
        raise ValueError(f"built for points of shape {tuple(shape)}, found {tuple(x.shape[1:])}")
    return x.flatten(1) if features is None else features(x)


class MLP(nn.Module):
    """A perceptron of a point and the time; outputs an ambient vector or `out` numbers.

    Args:
        shape: shape of one point in ambient coordinates.
        width: units of each hidden layer.
        depth: number of hidden layers.
        activation: "sin" (De Bortoli et al.; Jo and Hwang on the earth, except for fires), "silu"
            (Lou et al.; Jo and Hwang elsewhere), "gelu" or "relu".
        init: "lecun" draws weights from a normal of standard deviation 1/sqrt(fan-in), truncated
            at two standard deviations, with zero biases (De Bortoli et al.); "torch" keeps
            PyTorch's default, which shrinks signals by sqrt(3) per layer (Lou et al.).
        out: number of outputs; "dim" for the dimension of the space, None for one vector of shape
            `shape`.
        features: module that replaces the coordinates by features; has `out_features`.
        time: module that replaces the time by features; has `out_features`.
        classes: number of class labels; label `classes` means no label. 0 builds no label table.
        dim: dimension of the space, needed for `out="dim"`.

    Raises:
        ValueError: unknown `activation` or `init`, `depth` below 1, points of another shape, or a
            label given with `classes=0`.

    Example:
        >>> mlp = MLP([3], width=512, depth=5)
        >>> mlp(torch.zeros(2, 3), torch.rand(2)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 512,
        depth: int = 5,
        activation: str = "sin",
        init: str = "lecun",
        out: int | Literal["dim"] | None = None,
        features: nn.Module | None = None,
        time: nn.Module | None = None,
        classes: int = 0,
        dim: int | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activations are {', '.join(ACTIVATIONS)}; found {activation!r}")
        if init not in ("lecun", "torch"):
            raise ValueError(f"init is 'lecun' or 'torch', found {init!r}")
        if depth < 1:
            raise ValueError(f"a perceptron has a depth of 1 or more, got {depth}")
        self.shape, self.classes = tuple(shape), classes
        self.out_shape = self.shape if out is None else (dim if out == "dim" else out,)
        self.features, self.time = features, time
        read = math.prod(self.shape) if features is None else features.out_features
        read += 1 if time is None else time.out_features
        act = ACTIVATIONS[activation]
        self.stem = nn.Linear(read, width)
        self.label = LabelEmbedder(classes, width) if classes else None
        self.blocks = nn.Sequential(
            *(nn.Sequential(act(), nn.Linear(width, width)) for _ in range(depth - 1))
        )
        self.head = nn.Sequential(act(), nn.Linear(width, math.prod(self.out_shape)))
        if init == "lecun":
            for layer in (self.stem, *self.blocks.modules(), self.head[1]):
                if isinstance(layer, nn.Linear):
                    std = layer.in_features**-0.5
                    nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
                    nn.init.zeros_(layer.bias)
        if self.label is not None:
            nn.init.normal_(self.label.embedding_table.weight, std=0.02)

    def forward(
        self,
        x: Float[Tensor, "n ..."],
        t: Float[Tensor, " n"],
        label: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Evaluate at points `x` and times `t`; without labels, all get label `classes`."""
        time = t[:, None] if self.time is None else self.time(t)
        h = self.stem(torch.cat([read_points(x, self.shape, self.features), time.to(x.dtype)], 1))
        if self.label is not None:
            label = torch.full_like(t, self.classes, dtype=torch.long) if label is None else label
            h = h + self.label(label)
        elif label is not None:
            raise ValueError("built with classes=0, found a label: leave it out or set classes")
        return self.head(self.blocks(h)).unflatten(1, self.out_shape)
