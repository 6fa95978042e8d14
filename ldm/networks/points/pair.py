"""A pair of networks for the drifts of a process and of its time reversal."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Pair"]


class Pair(nn.Module):
    """Two networks with concatenated outputs, the second evaluated at the remaining time 1 - t.

    Args:
        forward_net: backbone of the drift towards the data.
        backward_net: backbone of the drift away from the data; its time 0 is at the data.

    Example:
        >>> from ldm.networks.points.mlp import MLP
        >>> Pair(MLP([3]), MLP([3]))(torch.zeros(2, 3), torch.rand(2)).shape
        torch.Size([2, 6])
    """

    def __init__(self, forward_net: nn.Module, backward_net: nn.Module) -> None:
        super().__init__()
        self.forward_net, self.backward_net = forward_net, backward_net

    def forward(
        self, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"], **condition: Tensor
    ) -> Float[Tensor, "n ..."]:
        """Evaluate both at points `x` and times `t`; concatenate along the first non-batch axis."""
        forward = self.forward_net(x, t, **condition)
        return torch.cat([forward, self.backward_net(x, 1 - t, **condition)], dim=1)
