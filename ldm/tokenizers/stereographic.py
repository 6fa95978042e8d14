"""Stereographic projection, by which flat models are applied to points of a sphere."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.bottlenecks.passthrough import Passthrough
from ldm.spaces import Flat
from ldm.tokenizers.tokenizer import Tokenizer

__all__ = ["Stereographic"]


class Stereographic(Tokenizer):
    """Projects the unit sphere from the pole -e to the tangent space at e, the last axis.

    `y = 2 x' / (1 + x_e)`, with x' the other coordinates: nothing to train, nothing to load. The
    map is an isometry at e; the pole -e is mapped to infinity.

    Args:
        dim: dimension of the sphere.

    Raises:
        ValueError: `dim` is less than 1.

    Example: on the earth, whose axis is the last coordinate, the south pole is at infinity.
        >>> x = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
        >>> Stereographic().encode({"x": x}).latent
        tensor([[0., 0.],
                [2., 0.]])
    """

    def __init__(self, dim: int = 2) -> None:
        if dim < 1:
            raise ValueError(f"a sphere needs a dimension of 1 or more, got {dim}")
        super().__init__(_ToPlane(), Passthrough(Flat([dim])), _ToSphere())

    def log_volume_change(self, x: Float[Tensor, "n coordinates"]) -> Float[Tensor, " n"]:
        """`dim log (2 / (1 + x_e))`."""
        return -self.space.dim * ((1 + x[:, -1]) / 2).log()


class _ToPlane(nn.Module):
    def forward(
        self, x: Float[Tensor, "n coordinates"], **context: Tensor
    ) -> Float[Tensor, "n dim"]:
        return 2 * x[:, :-1] / (1 + x[:, -1:])


class _ToSphere(nn.Module):
    def forward(
        self, y: Float[Tensor, "n dim"], **context: Tensor
    ) -> Float[Tensor, "n coordinates"]:
        square = y.square().sum(1, keepdim=True) / 4
        return torch.cat([y, 1 - square], 1) / (1 + square)
