"""A coarse grid, and a fine one that is told the coarse one."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from ldm.bottlenecks.passthrough import Passthrough
from ldm.networks.images.dit import DiT
from ldm.spaces import Flat
from ldm.tokenizers import Tokenizer

__all__ = ["Pool", "Told"]


class Shrink(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return avg_pool2d(x, 4)


class Grow(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return interpolate(x, scale_factor=4.0)


class Pool(Tokenizer):
    """Images of 8 by 8 to the means of their quarters."""

    def __init__(self) -> None:
        super().__init__(Shrink(), Passthrough(Flat([1, 2, 2])), Grow())


class Told(nn.Module):
    """A transformer that reads a coarse image above the noisy one."""

    def __init__(self, shape: Sequence[int], coarse_shape: Sequence[int], width: int = 16) -> None:
        super().__init__()
        channels = shape[0] + coarse_shape[0]
        grid = {"patch": 4, "width": width, "depth": 1, "heads": 2, "classes": 0}
        self.net = DiT([channels, *shape[1:]], learn_sigma=False, **grid)
        self.channels = shape[0]

    def forward(self, x: torch.Tensor, t: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        told = interpolate(coarse, size=x.shape[-2:])
        return self.net(torch.cat([x, told], 1), t)[:, : self.channels]
