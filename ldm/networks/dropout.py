"""Dropout that draws 16 random bits an element, where PyTorch draws a double."""

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

__all__ = ["Dropout"]

BITS = 16


class Dropout(nn.Dropout):
    """`nn.Dropout` several times as fast on a CPU, where drawing is most of its time.

    The rate is rounded to a multiple of 2^-16, and the scale of what is kept follows it. On other
    devices it is `nn.Dropout`.

    Example:
        >>> Dropout(0.5).eval()(torch.ones(2))
        tensor([1., 1.])
    """

    def forward(self, input: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        levels = 1 << BITS
        dropped = round(self.p * levels)
        if not self.training or not 0 < dropped < levels or input.device.type != "cpu":
            return super().forward(input)
        words = torch.empty(-(-input.numel() // 4), dtype=torch.int64)
        # From the smallest integer, all 64 bits are drawn.
        bits = words.random_(torch.iinfo(torch.int64).min, None).view(torch.int16)
        kept = bits[: input.numel()].view(input.shape) >= dropped - levels // 2
        return input * (kept * input.new_tensor(levels / (levels - dropped)))
