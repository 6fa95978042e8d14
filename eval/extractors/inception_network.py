"""The Inception network of FID: TensorFlow's graph of 2015-12-05, 1008 classes.

Source: Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016, as in
that graph: average pools do not count their padding, and the last block uses max pooling. Weight
names are those of the published PyTorch port.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["InceptionNetwork", "InceptionOutput"]

INPUT_SIZE = 299

Kernel = int | tuple[int, int]
Stage = tuple[int, Kernel]  # output channels and kernel of a convolution

WIDE, TALL = (1, 7), (7, 1)


class InceptionOutput(NamedTuple):
    """Outputs for metrics: pool_3, the first 7 channels of `mixed_6/conv`, and logits."""

    pooled: Float[Tensor, "batch 2048"]
    spatial: Float[Tensor, "batch 2023"]
    logits: Float[Tensor, "batch 1008"]
    """Logits without the last layer's bias, as in the definition of the inception score."""


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, in_channels: int, channels: int, kernel: Kernel, stride: int = 1, pad: bool = True
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = tuple(side // 2 for side in sides) if pad else 0
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=1e-3)

    def forward(self, x: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """Parallel branches of convolutions, and a pooling branch.

    Args:
        in_channels: of the input.
        branches: the stages of each branch by its name; a branch of several stages numbers them.
        pool: `avg` or `max`.
        pool_channels: of the convolution after the pool; 0 for none, in a block that halves the
            grid, where the pool and each branch's last stage have stride 2 and no padding.
        fork: names of branches that end in parallel 1x3 and 3x1 convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        branches: dict[str, list[Stage]],
        pool: str,
        pool_channels: int,
        fork: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.pool, self.halves = pool, not pool_channels
        self.paths: list[tuple[list[str], list[str]]] = []  # sequential stages, then parallel ones
        for branch, stages in branches.items():
            row, channels = [], in_channels
            for index, (width, kernel) in enumerate(stages, 1):
                name = branch if len(stages) == 1 and branch not in fork else f"{branch}_{index}"
                last = self.halves and index == len(stages)
                self.add_module(
                    name, ConvNorm(channels, width, kernel, stride=1 + last, pad=not last)
                )
                row.append(name)
                channels = width
            ends = [f"{branch}_{len(stages) + 1}{end}" for end in "ab"] if branch in fork else []
            for name, kernel in zip(ends, ((1, 3), (3, 1)), strict=False):
                self.add_module(name, ConvNorm(channels, channels, kernel))
            self.paths.append((row, ends))
        if pool_channels:
            self.branch_pool = ConvNorm(in_channels, pool_channels, 1)

    def forward(self, x: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        outputs = []
        for row, ends in self.paths:
            y = x
            for name in row:
                y = self.get_submodule(name)(y)
            outputs += [self.get_submodule(name)(y) for name in ends] or [y]
        return torch.cat([*outputs, self._pooled(x)], dim=1)

    def _pooled(self, x: Tensor) -> Tensor:
        if self.halves:
            return F.max_pool2d(x, 3, stride=2)
        if self.pool == "max":
            x = F.max_pool2d(x, 3, stride=1, padding=1)
        else:
            x = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return self.branch_pool(x)


def _a(in_channels: int, pool_channels: int) -> Mixed:
    branches: dict[str, list[Stage]] = {
        "branch1x1": [(64, 1)],
        "branch5x5": [(48, 1), (64, 5)],
        "branch3x3dbl": [(64, 1), (96, 3), (96, 3)],
    }
    return Mixed(in_channels, branches, "avg", pool_channels)


def _b(in_channels: int) -> Mixed:
    branches: dict[str, list[Stage]] = {
        "branch3x3": [(384, 3)],
        "branch3x3dbl": [(64, 1), (96, 3), (96, 3)],
    }
    return Mixed(in_channels, branches, "max", 0)


def _c(width: int) -> Mixed:
    branches: dict[str, list[Stage]] = {
        "branch1x1": [(192, 1)],
        "branch7x7": [(width, 1), (width, WIDE), (192, TALL)],
        "branch7x7dbl": [(width, 1), (width, TALL), (width, WIDE), (width, TALL), (192, WIDE)],
    }
    return Mixed(768, branches, "avg", 192)


def _d() -> Mixed:
    branches: dict[str, list[Stage]] = {
        "branch3x3": [(192, 1), (320, 3)],
        "branch7x7x3": [(192, 1), (192, WIDE), (192, TALL), (192, 3)],
    }
    return Mixed(768, branches, "max", 0)


def _e(in_channels: int, pool: str) -> Mixed:
    branches: dict[str, list[Stage]] = {
        "branch1x1": [(320, 1)],
        "branch3x3": [(384, 1)],
        "branch3x3dbl": [(448, 1), (384, 3)],
    }
    return Mixed(in_channels, branches, pool, 192, fork=("branch3x3", "branch3x3dbl"))


class InceptionNetwork(nn.Module):
    """The network from resized and scaled pictures to features.

    Example:
        >>> network = InceptionNetwork().eval()
        >>> network(torch.zeros(1, 3, 299, 299)).pooled.shape
        torch.Size([1, 2048])
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, stride=2, pad=False)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3, pad=False)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3, pad=False)
        self.Mixed_5b = _a(192, pool_channels=32)
        self.Mixed_5c = _a(256, pool_channels=64)
        self.Mixed_5d = _a(288, pool_channels=64)
        self.Mixed_6a = _b(288)
        self.Mixed_6b = _c(128)
        self.Mixed_6c = _c(160)
        self.Mixed_6d = _c(160)
        self.Mixed_6e = _c(192)
        self.Mixed_7a = _d()
        self.Mixed_7b = _e(1280, pool="avg")
        self.Mixed_7c = _e(2048, pool="max")
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Float[Tensor, "batch 3 299 299"]) -> InceptionOutput:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        # Channels last, as ADM's statistics of these 17 x 17 x 7 numbers are laid out.
        spatial = self.Mixed_6d.branch1x1(x)[:, :7].permute(0, 2, 3, 1).flatten(1)
        x = self.Mixed_6e(self.Mixed_6d(x))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        pooled = x.mean(dim=(2, 3))
        return InceptionOutput(pooled, spatial, F.linear(pooled, self.fc.weight))
