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
    """Attention between the units of a vector, each a token with one feature.

    The paper does not define the tokens of a vector. With the whole vector as one token the softmax
    would be constant, and queries and keys would stay untrained.
    """

    def tokens(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "n c 1"]:
        return x[..., None]

    def channels(self, h: Float[Tensor, "n c 1"]) -> Float[Tensor, "n c 1"]:
        return h


class ResidualMLP(SkipNet):
    """A U-Net of residual perceptrons, zero at initialisation.

    Args:
        shape: shape of one point in ambient coordinates.
        width: units of every block.
        depth: blocks on the way down; there is one more on the way up.
        condition: width of the time embedding.
        dropout: dropout probability in every block.

    Raises:
        ValueError: points have another shape.

    Example: the published network for embeddings on S^127, which takes the noise level as time.
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
        """Evaluate at points `x` and noise levels `t`; returns ambient vectors."""
        return super().forward(read_points(x, self.shape, None), t).unflatten(1, self.shape)
