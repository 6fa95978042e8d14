"""A deep residual perceptron for points of high-dimensional spheres, such as embeddings.

Source: Lou et al., "Scaling Riemannian diffusion models", 2023, experiments on hyperspheres.
"""

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.points.mlp import read_points
from ldm.networks.points.skip_net import Attention, SkipNet

__all__ = ["ResidualMLP"]


class UnitAttention(Attention):
    """Attention between the units of a vector, each a token of one number.

    The paper leaves open what attends in a vector. The vector as one token would leave the softmax
    constant, and queries and keys untrained.
    """

    def tokens(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "n c 1"]:
        return x[..., None]

    def channels(self, h: Float[Tensor, "n c 1"]) -> Float[Tensor, "n c 1"]:
        return h


class ResidualMLP(SkipNet):
    """A U-Net of residual perceptrons; gives zero when it is new.

    Args:
        shape: of one point in ambient coordinates.
        width: units of every block.
        depth: blocks on the way down; there is one more on the way up.
        condition: width of the vector that tells every block the time.
        dropout: in every block.

    Raises:
        ValueError: points are of another shape.

    Example: the published network for embeddings on S^127; it reads the noise level as its time.
        >>> import torch
        >>> ResidualMLP([128])(torch.zeros(2, 128), torch.tensor([0.001, 0.6])).shape
        torch.Size([2, 128])
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 256,
        depth: int = 4,
        condition: int = 1024,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(
            math.prod(shape),
            width,
            depth,
            condition,
            dropout,
            layer=nn.Linear,
            mix=nn.Linear,
            norm=nn.LayerNorm,
            attention=UnitAttention(width, nn.Linear, nn.LayerNorm),
        )
        self.shape = tuple(shape)

    def forward(self, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        """One ambient vector a point `x`, at noise level `t`."""
        return super().forward(read_points(x, self.shape, None), t).unflatten(1, self.shape)
