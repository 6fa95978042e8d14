"""Networks of clips of a set length, applied to windows of longer clips."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Windows"]


class Windows(nn.Module):
    """Applies an encoder or a decoder to successive windows of a clip, one after another.

    So any tokenizer of clips of one length is a tokenizer of clips of several times that length.
    Windows follow each other along the first axis behind the channels, of clips and of latents:
    latents `(d, l, ...)` of one window make latents `(d, windows l, ...)` of a clip. Without
    gradients the memory of activations is that of one window.

    Args:
        network: encoder or decoder of one window; wherever it takes a `shape` or a `latent_shape`,
            it is handed that of a window.
        window: frames of a window.
        shape: of clips, `(channels, frames, height, width)`.
        overlap: latents that a decoder's window has in common with the next. Each of both keeps the
            half that is nearer to its middle, as LVDM has it (He et al. 2022), which hides seams.

    Raises:
        ValueError: the windows do not fill the clip, or overlap entirely.

    Example: eight frames as two windows of four.
        >>> encoder = Windows(nn.Conv3d(3, 4, 4, stride=4), window=4, shape=[3, 8, 16, 16])
        >>> encoder(torch.zeros(1, 3, 8, 16, 16)).shape
        torch.Size([1, 4, 2, 4, 4])
    """

    def __init__(
        self, network: nn.Module, window: int, shape: Sequence[int], overlap: int = 0
    ) -> None:
        super().__init__()
        self.network, self.window, self.overlap = network, window, overlap
        self.windows = _count(window, shape)

    @property
    def interface(self) -> dict[str, Any]:
        """Number of windows, and what the network says of one, see `Tokenizer.interface`."""
        return {**getattr(self.network, "interface", {}), "windows": self.windows}

    @staticmethod
    def hands(node: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Values for the network inside, see `ldm.config.interfaces.hand_over`."""
        windows = _count(*({**given, **node}[key] for key in ("window", "shape")))
        # A latent shape of channels alone is that of a grid which follows from the encoder.
        shapes = {
            key: given[key] for key in ("shape", "latent_shape") if len(given.get(key, ())) > 1
        }
        cut = {key: [c, length // windows, *grid] for key, (c, length, *grid) in shapes.items()}
        return {**given, **cut}

    def forward(self, x: Float[Tensor, "b c t ..."], **context: Tensor) -> Tensor:
        """Features of a clip, or a clip of latents, `(b, d, windows l, ...)`."""
        long, length = x.shape[2] // self.windows, x.shape[2]
        if not 0 <= self.overlap < long:
            raise ValueError(
                f"windows of {long} latents can overlap by up to {long - 1}, got {self.overlap}"
            )
        starts = [*range(0, length - long, long - self.overlap), length - long]
        kept = [0, *(start + (self.overlap + 1) // 2 for start in starts[1:]), length]
        parts = []
        for start, (first, last) in zip(starts, pairwise(kept), strict=True):
            found = self.network(x[:, :, start : start + long], **context)
            first, last = ((place - start) * found.shape[2] // long for place in (first, last))
            parts.append(found[:, :, first:last])
        return torch.cat(parts, 2)

    @property
    def last_layer(self) -> Tensor:
        """Weight of the network's last layer, see the networks that have one."""
        return self.network.last_layer


def _count(window: int, shape: Sequence[int]) -> int:
    """Number of windows in a clip."""
    _, frames, *_ = shape
    if frames % window:
        raise ValueError(
            f"clips of {frames} frames are no whole number of windows of {window} frames: choose "
            f"data.frames={max(frames // window, 1) * window}, or another multiple of {window}"
        )
    return frames // window
