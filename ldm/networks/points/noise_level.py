"""Conditioning of networks on the noise level instead of the time."""

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["NoiseLevel"]


class NoiseLevel(nn.Module):
    """Wrapper passing the noise level `smallest^(1 - t) largest^t` to a network instead of t.

    Source: Lou et al., "Scaling Riemannian diffusion models", 2023.

    Args:
        net: a backbone that takes the noise's standard deviation as its time.
        smallest: standard deviation at time 0, radians.
        largest: standard deviation at time 1, radians.

    Example:
        >>> import torch
        >>> from ldm.networks.points.mlp import MLP
        >>> NoiseLevel(MLP([3]), 0.001, 4.0)(torch.zeros(2, 3), torch.rand(2)).shape
        torch.Size([2, 3])
    """

    def __init__(self, net: nn.Module, smallest: float, largest: float) -> None:
        super().__init__()
        self.net, self.smallest, self.largest = net, smallest, largest

    def forward(
        self, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"], **condition: Tensor
    ) -> Float[Tensor, "n ..."]:
        """Evaluate the network at points `x` and the noise levels of times `t` in [0, 1]."""
        sigma = self.smallest * (self.largest / self.smallest) ** t
        return self.net(x, sigma, **condition)
