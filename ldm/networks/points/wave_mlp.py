"""A perceptron on sinusoidal features that are low-pass filtered according to the time."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.points.mlp import ACTIVATIONS
from ldm.networks.points.point_features import Waves

__all__ = ["WaveMLP"]

OCTAVES = 8  # frequencies of the sinusoids of log time
SMALLEST = 1e-3  # remaining time below which the features of log time hardly change


class WaveMLP(nn.Module):
    """A perceptron on waves of a point, damping frequencies that are too high for its time.

    In a flow with data at time 1, a path at time t has `u = 1 - t` of its way left, and the vector
    field is smooth on that scale. So a wave of frequency w is multiplied by
    `exp(-(gate u w)^2 / 2)`, its mean under normal noise of standard deviation `gate u`: high
    frequencies do not disturb early times. Ours; compare the integrated positional encoding of
    Barron et al., "Mip-NeRF", 2021.

    Args:
        shape: shape of one point in ambient coordinates.
        waves: waves of the flattened points.
        width: units of each hidden layer.
        depth: number of hidden layers.
        gate: smoothing width divided by the remaining time; 0 turns the damping off.
        coordinates: also take the point's coordinates as input; set it to False where these are
            discontinuous, as angles are.

    Example:
        >>> from ldm.networks.points.point_features import RandomFourierFeatures
        >>> mlp = WaveMLP([3], RandomFourierFeatures(3, waves=128))
        >>> mlp(torch.zeros(2, 3), torch.rand(2)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        shape: Sequence[int],
        waves: Waves,
        width: int = 256,
        depth: int = 4,
        gate: float = 1.0,
        coordinates: bool = True,
    ) -> None:
        super().__init__()
        self.shape, self.gate, self.coordinates = tuple(shape), gate, coordinates
        self.waves = waves
        numbers = math.prod(self.shape)
        read = waves.out_features + 2 + 2 * OCTAVES + (numbers if coordinates else 0)
        sizes = [read, *[width] * depth]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(before, after), ACTIVATIONS["silu"]())
                for before, after in pairwise(sizes)
            )
        )
        self.head = nn.Linear(width, numbers)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        """Evaluate at points `x` and times `t` in [0, 1], with noise at 0 and data at 1."""
        points, left = x.flatten(1), (1 - t)[:, None].to(x.dtype)
        width = self.waves.frequencies.norm(dim=1)
        fade = torch.exp(-0.5 * (self.gate * left * width).square())
        read = [self.waves(points) * torch.cat([fade, fade], 1), *self._time(left)]
        if self.coordinates:
            read.append(points)
        return self.head(self.blocks(torch.cat(read, 1))).unflatten(1, self.shape)

    def _time(self, left: Float[Tensor, "n 1"]) -> list[Tensor]:
        log = 1 - 2 * torch.log(left + SMALLEST) / math.log(SMALLEST)  # -1 at data, 1 at noise
        octaves = torch.arange(1, OCTAVES + 1, dtype=left.dtype, device=left.device)
        phase = log * octaves * (math.pi / 2)
        return [left, log, phase.sin(), phase.cos()]
