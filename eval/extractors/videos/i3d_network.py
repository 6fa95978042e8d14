"""I3D: Inception-v1 inflated to space and time, with the 400 classes of Kinetics.

Source: Carreira and Zisserman, "Quo vadis, action recognition? A new model and the Kinetics
dataset", 2017. Weight names are those of the PyTorch port of VideoGPT, as recalled; its batch
normalisation adds 1e-5 to variances.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["FEWEST_FRAMES", "INPUT_SIZE", "I3DNetwork"]

INPUT_SIZE = 224

FEWEST_FRAMES = 9
"""Time is halved three times, rounded up, and two positions of it are averaged."""

STEM = (64, 64, 192)  # channels of the first three convolutions

BLOCKS: dict[str, tuple[int, ...]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of each block: of its 1x1x1 branch, of the two branches of a 1x1x1 and a 3x3x3
convolution each, and of the branch after the pool."""

POOLS = {"Mixed_3b": ((1, 3, 3), (1, 2, 2)), "Mixed_4b": ((3, 3, 3), 2), "Mixed_5b": (2, 2)}
"""Kernel and stride of the pooling before a block."""


class Unit(nn.Module):
    """Convolution padded as TensorFlow's SAME; batch norm and ReLU, unless it gives logits."""

    def __init__(
        self, in_channels: int, channels: int, kernel: int, stride: int = 1, logits: bool = False
    ) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, channels, kernel, stride, bias=logits)
        self.bn = None if logits else nn.BatchNorm3d(channels, eps=1e-5)

    def forward(self, x: Float[Tensor, "b _ _ _ _"]) -> Float[Tensor, "b _ _ _ _"]:
        x = self.conv3d(same(x, self.conv3d.kernel_size, self.conv3d.stride))
        return x if self.bn is None else F.relu(self.bn(x), inplace=True)


class Mixed(nn.Module):
    """Four parallel branches, whose channels are joined."""

    def __init__(self, in_channels: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        one, three_in, three, other_in, other, pooled = channels
        self.b0 = Unit(in_channels, one, 1)
        self.b1a, self.b1b = Unit(in_channels, three_in, 1), Unit(three_in, three, 3)
        self.b2a, self.b2b = Unit(in_channels, other_in, 1), Unit(other_in, other, 3)
        self.b3b = Unit(in_channels, pooled, 1)

    def forward(self, x: Float[Tensor, "b _ t h w"]) -> Float[Tensor, "b _ t h w"]:
        pooled = self.b3b(pool(x, (3, 3, 3), (1, 1, 1)))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), pooled], 1)


class I3DNetwork(nn.Module):
    """The network from clips in [-1, 1] to logits, averaged over time.

    Example:
        >>> with torch.device("meta"):
        ...     network = I3DNetwork()
        >>> network(torch.zeros(1, 3, 16, 224, 224, device="meta")).shape
        torch.Size([1, 400])
    """

    def __init__(self, classes: int = 400) -> None:
        super().__init__()
        first, second, width = STEM
        self.Conv3d_1a_7x7 = Unit(3, first, 7, stride=2)
        self.Conv3d_2b_1x1 = Unit(first, second, 1)
        self.Conv3d_2c_3x3 = Unit(second, width, 3)
        for name, channels in BLOCKS.items():
            self.add_module(name, Mixed(width, channels))
            width = channels[0] + channels[2] + channels[4] + channels[5]
        self.logits = Unit(width, classes, 1, logits=True)

    def forward(self, x: Float[Tensor, "b 3 t 224 224"]) -> Float[Tensor, "b classes"]:
        x = pool(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        for name in BLOCKS:
            if name in POOLS:
                x = pool(x, *(_triple(size) for size in POOLS[name]))
            x = self.get_submodule(name)(x)
        return self.logits(F.avg_pool3d(x, (2, 7, 7), 1)).mean((2, 3, 4))


def same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Pad with zeros as TensorFlow does, one more at the end where the padding is odd."""
    padding: list[int] = []
    for length, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max((-(-length // s) - 1) * s + k - length, 0)
        padding += [total // 2, total - total // 2]
    return F.pad(x, padding)


def pool(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Take maxima of what no unit leaves negative, so that zeros at the border do not matter."""
    return F.max_pool3d(same(x, kernel, stride), kernel, stride)


def _triple(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return (size,) * 3 if isinstance(size, int) else size
