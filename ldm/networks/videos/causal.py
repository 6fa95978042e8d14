"""Causal convolution of clips, whole or chunk by chunk to the same result.

Source: Li et al., "WF-VAE", 2025, section 3.3 (Causal Cache).
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["CausalConv3d", "Chain", "Stream", "in_chunks"]

Clip = Float[Tensor, "b _ _ _ _"]  # channels, frames, height, width


class Stream:
    """Frames that layers keep from one chunk of a clip to the next.

    Attributes:
        first: the clip begins with this chunk.
        last: the clip ends with this chunk, so that nothing has to be kept.

    Example: a clip as one chunk.
        >>> Stream().first and Stream().last
        True
    """

    def __init__(self) -> None:
        self.first = self.last = True
        self._kept: dict[nn.Module, Tensor] = {}

    def kept(self, layer: nn.Module) -> Clip | None:
        """Return what a layer kept of earlier chunks; None if there is nothing."""
        return self._kept.pop(layer, None)

    def keep(self, layer: nn.Module, frames: Clip) -> None:
        """Keep frames for this layer's next chunk, unless there is none."""
        if not self.last:
            self._kept[layer] = frames.clone()  # not a view, which would keep the whole chunk


def in_chunks(step: Callable[[Clip, Stream], Clip], x: Clip, size: int | None) -> Clip:
    """Compute the first frame alone, and then `size` frames at a time; all at once without a size.

    Args:
        step: computes one chunk.
        x: the clip.
        size: frames of a chunk.
    """
    if size is None:
        return step(x, Stream())
    stream, outputs = Stream(), []
    chunks = [x[:, :, :1], *(chunk for chunk in x[:, :, 1:].split(size, 2) if chunk.shape[2])]
    for number, chunk in enumerate(chunks, start=1):
        stream.first, stream.last = number == 1, number == len(chunks)
        outputs.append(step(chunk, stream))
    return torch.cat(outputs, 2)


class CausalConv3d(nn.Conv3d):
    """A convolution of which no output sees later frames.

    Time is padded in front, with copies of the first frame; the sides with zeros on both ends.
    Between chunks it keeps the frames from the start of the next window on. With kernel k, stride s
    and chunks of T frames after the first frame, these are k + m T - s floor(m T / s + 1) after m
    chunks.

    Args:
        in_channels, out_channels: of the convolution.
        kernel: side in all three axes.
        stride: in all three axes.
        padding: of the sides; None for one that keeps their length at stride 1.

    Example:
        >>> CausalConv3d(3, 8)(torch.zeros(1, 3, 5, 16, 16)).shape
        torch.Size([1, 8, 5, 16, 16])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int | Sequence[int] = 1,
        padding: int | None = None,
    ) -> None:
        side = kernel // 2 if padding is None else padding
        super().__init__(in_channels, out_channels, kernel, stride, (0, side, side))

    def forward(self, x: Clip, stream: Stream | None = None) -> Clip:
        stream = stream or Stream()
        past = stream.kept(self)
        if past is None:
            past = x[:, :, :1].expand(-1, -1, self.kernel_size[0] - 1, -1, -1)
        if past.shape[2]:
            x = torch.cat([past, x], 2)
        y = super().forward(x)
        stream.keep(self, x[:, :, y.shape[2] * self.stride[0] :])
        return y


class Chain(nn.Sequential):
    """Layers one after another, each called with the stream."""

    def forward(self, x: Clip, stream: Stream | None = None) -> Clip:
        stream = stream or Stream()
        for layer in self:
            x = layer(x, stream)
        return x
