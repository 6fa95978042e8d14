"""A convolutional network for lattices of matrices: gauge fields of lattice field theory.

Source: Lou et al., "Scaling Riemannian diffusion models", 2023, experiments on SU(3) lattices.
"""

from functools import partial

from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.points.skip_net import Attention, SkipNet

__all__ = ["SU3Net"]

# Lattices are periodic, but the published network pads with zeros: shifts change what it computes.
conv3 = partial(nn.Conv2d, kernel_size=3, padding=1)
conv1 = partial(nn.Conv2d, kernel_size=1)


def group_norm(channels: int) -> nn.GroupNorm:
    """Build group normalisation with groups of four channels, but at most 32 groups."""
    return nn.GroupNorm(min(channels // 4, 32), channels, eps=1e-6)


class SiteAttention(Attention):
    """Self-attention between the sites of a lattice."""

    def tokens(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n sites c"]:
        return x.flatten(2).mT

    def channels(self, h: Float[Tensor, "n sites c"]) -> Float[Tensor, "n c sites"]:
        return h.mT


class SU3Net(SkipNet):
    """A convolutional U-Net without downsampling on a lattice of n x n complex matrices.

    Points have shape (2, n, n, height, width), real and imaginary parts first, like those of
    `Power(SpecialUnitary(n), grid=[height, width])`. The network takes lattices of any size, and
    is zero at initialisation.

    Args:
        n: number of rows of the matrices, the n of SU(n).
        width: channels of every block.
        depth: blocks on the way down; there is one more on the way up.
        condition: width of the time embedding.
        dropout: dropout probability in every block.

    Raises:
        ValueError: points have another shape, or the number of normalisation groups does not divide
            the width.

    Example:
        >>> import torch
        >>> net = SU3Net(width=32, depth=1)
        >>> net(torch.zeros(5, 2, 3, 3, 4, 4), torch.rand(5)).shape
        torch.Size([5, 2, 3, 3, 4, 4])
    """

    def __init__(
        self,
        n: int = 3,
        width: int = 256,
        depth: int = 3,
        condition: int = 1024,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(
            2 * n**2,
            width,
            depth,
            condition,
            dropout,
            layer=conv3,
            mix=conv1,
            norm=group_norm,
            attention=SiteAttention(width, conv1, group_norm),
        )
        self.matrix = (2, n, n)

    def reset_parameters(self) -> None:
        """Initialise as `SkipNet`, and the second layer of every block with zero weights."""
        super().reset_parameters()
        for block in (*self.down, self.mid1, self.mid2, *self.up):
            nn.init.zeros_(block.layer2.weight)

    def forward(
        self, x: Float[Tensor, "b ri n n height width"], t: Float[Tensor, " b"]
    ) -> Float[Tensor, "b ri n n height width"]:
        """Evaluate at lattices `x` and noise levels `t`; returns ambient vectors."""
        if x.shape[1:4] != self.matrix:
            expected = f"({', '.join(map(str, self.matrix))}, height, width)"
            raise ValueError(f"built for points of shape {expected}, found {tuple(x.shape[1:])}")
        return super().forward(x.flatten(1, 3), t).unflatten(1, self.matrix)
