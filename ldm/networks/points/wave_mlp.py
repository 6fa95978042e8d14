"""A perceptron that sees as much detail of a point as there is to see at its time."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.points.mlp import ACTIVATIONS
from ldm.networks.points.point_features import Waves

__all__ = ["WaveMLP"]

OCTAVES = 8  # waves of the log time
SMALLEST = 1e-3  # time left below which nothing changes


class WaveMLP(nn.Module):
    """Reads waves of a point, each faded out while paths to data are wider than it is long.

    At time t of a flow whose data are at 1, a path started at random still has `u = 1 - t` of its
    way to go, and what it does not know yet is smooth on that scale: a wave of frequency w is
    multiplied by `exp(-(gate u w)^2 / 2)`, as if averaged over a normal law of deviation `gate u`.
    So high frequencies neither disturb early times nor have to be unlearned there. Ours; compare
    the integrated positional encoding of Barron et al., "Mip-NeRF", 2021.

    Args:
        shape: of one point in ambient coordinates.
        waves: of the flattened points.
        width: units of each hidden layer.
        depth: how many hidden layers.
        gate: path width in units of the way left; 0 fades out nothing.
        coordinates: read the point's coordinates as well; not where they jump, as angles do.

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
        """One output a point `x` at time `t` of [0, 1], which is that of noise at 0, data at 1."""
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
