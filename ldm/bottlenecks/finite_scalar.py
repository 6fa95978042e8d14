"""Finite scalar quantisation: every channel is rounded to one of a few levels of its own.

Source: Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2024, section 3 and
appendix A.1.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ldm.bottlenecks.bottleneck import DiscreteBottleneck, Encoded
from ldm.bottlenecks.codebook import snap
from ldm.bottlenecks.digits import count_codes, digit_usage, to_codes, to_digits
from ldm.bottlenecks.features import full_precision
from ldm.randomness import Generators
from ldm.spaces import Flat

__all__ = ["FiniteScalarQuantizer"]

MARGIN = 1e-3  # of the tanh's range beyond the levels, so that the outermost are reached


class FiniteScalarQuantizer(DiscreteBottleneck):
    """Bounds channels by a tanh and rounds them, with a straight-through gradient.

    A channel of L levels is bounded to (L - 1) / 2 on both sides, shifted by half a level where L
    is even, and divided by L // 2 after rounding: latents lie in [-1, 1]. Nothing is learned and
    there is no loss. `raw` is the codes: the channels as digits of one number, the first the least
    significant. The usage of more than a million codes is not reported.

    `ScalarQuantizer` has odd levels, the same for all channels, and latents that are whole numbers.

    Args:
        levels: of each channel, 2 or more; the paper's are [8, 6, 5] for 2^8 codes, [8, 5, 5, 5]
            for 2^10, [7, 5, 5, 5, 5] for 2^12, [8, 8, 8, 6, 5] for 2^14, [8, 8, 8, 5, 5, 5] for
            2^16, about.
        grid: of the latents; follows from the encoder if it is not given.

    Raises:
        ValueError: a channel has fewer than 2 levels, there are 2^63 codes or more, or the features
            do not have as many channels as there are levels.

    Example:
        >>> quantizer = FiniteScalarQuantizer([3, 4])
        >>> quantizer(torch.tensor([[0.0, -9.0]])[..., None]).latent.flatten().tolist()
        [0.0, -1.0]
    """

    groups = 1

    def __init__(self, levels: Sequence[int], grid: Sequence[int] = ()) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"every channel needs 2 levels or more, got {list(levels)}")
        self.levels, self.in_channels = list(levels), len(levels)
        self.vocabulary = count_codes(self.levels)
        with torch.device("cpu"):  # no checkpoint fills these in where a model is built on meta
            sizes = torch.tensor(self.levels, dtype=torch.float64)
        self.middle, self.last = sizes.div(2).floor(), sizes - 1
        offset, bound = (1 - sizes % 2) / 2, self.last * (1 + MARGIN) / 2
        self.scales = torch.stack([(offset / bound).atanh(), bound, -offset, bound / self.middle])
        self.on_grid(grid)

    def on_grid(self, grid: Sequence[int]) -> None:
        self.space = Flat([self.in_channels, *grid])

    def forward(
        self, h: Float[Tensor, "batch channels *grid"], generator: Generators = None
    ) -> Encoded:
        h = full_precision(h, self.in_channels)
        shift, bound, offset, scale = self._columns(self.scales, h)
        bounded = (h + shift).tanh()
        with torch.no_grad():
            rounded = torch.addcmul(offset, bounded, bound).round_()
            codes, nearest = self._codes(rounded), rounded / self._columns(self.middle, h)
        latent = snap(bounded * scale, nearest)
        return Encoded(latent, codes, codes, {}, digit_usage(codes, self.vocabulary))

    def latent(
        self, raw: Int[Tensor, "batch *grid group"], generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        return self.codes_to_latent(raw)

    def decodable(
        self, latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, "batch channels *grid"]:
        latent = full_precision(latent, self.in_channels).detach()
        middle, last = (self._columns(numbers, latent) for numbers in (self.middle, self.last))
        rounded = (latent * middle).round().clamp(-middle, last - middle)
        return self.codes_to_latent(self._codes(rounded))

    def codes_to_latent(
        self, codes: Int[Tensor, "batch *grid group"]
    ) -> Float[Tensor, "batch channels *grid"]:
        digits = to_digits(codes, self.levels).float()
        middle = self._columns(self.middle, digits)
        return (digits - middle) / middle

    def _codes(self, rounded: Tensor) -> Tensor:
        """Codes of levels, counted from the middle one."""
        codes = to_codes((rounded + self._columns(self.middle, rounded)).long(), self.levels)
        return codes.clamp(0, self.vocabulary - 1)  # values that are not finite have a code, too

    def _columns(self, numbers: Float[Tensor, "*rows channels"], like: Tensor) -> Tensor:
        """Shape rows of one number a channel to be broadcast over latents."""
        return numbers.to(like).view(*numbers.shape, *[1] * (like.ndim - 2))
