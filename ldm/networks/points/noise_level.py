"""Networks that read how noisy a point is rather than when it was noised."""

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["NoiseLevel"]


class NoiseLevel(nn.Module):
    """Hands a network the deviation `smallest^(1 - t) largest^t` in place of the time t.

    Source: Lou et al., "Scaling Riemannian diffusion models", 2023.

    Args:
        net: a backbone whose time is a deviation.
        smallest: deviation at time 0, radians.
        largest: deviation at time 1.

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
        """The network's output at points `x` and times `t` of [0, 1]."""
        sigma = self.smallest * (self.largest / self.smallest) ** t
        return self.net(x, sigma, **condition)
