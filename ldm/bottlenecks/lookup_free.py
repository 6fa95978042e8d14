"""The lookup-free quantiser: one bit a channel, its sign.

Source: Yu et al., "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation", 2024,
section 3.1.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ldm.bottlenecks.bottleneck import DiscreteBottleneck, Encoded
from ldm.bottlenecks.code_entropy import code_entropy, token_entropy
from ldm.bottlenecks.codebook import snap
from ldm.bottlenecks.digits import count_codes, digit_usage, to_codes, to_digits
from ldm.bottlenecks.features import full_precision
from ldm.randomness import Generators
from ldm.spaces import Flat

__all__ = ["LookupFreeQuantizer"]

TOGETHER = 24  # bits: the mean distribution of 2^24 codes takes 64 MiB


class LookupFreeQuantizer(DiscreteBottleneck):
    """Replaces each channel by its sign, 1 or -1 (also of 0), with a straight-through gradient.

    With q the signs, bits are independent and their log odds `4 z / temperature`, as of a softmax
    of -|z - q|^2 / temperature over all codes. There are two losses: `codebook`,
    beta <(sg q - z)^2>; and `entropy`, weight (E[H(p)] - diversity H(E[p])) in nats, which makes
    the bits of each token certain and the codes of a process's batch as different as possible.

    `raw` is the codes, whose most significant bit is the first channel. The usage of more than a
    million codes is not reported.

    Args:
        shape: of one latent, `(channels, *grid)`; other grids are accepted, too.
        beta: weight of the commitment loss.
        entropy: weight of the loss `entropy`.
        diversity: weight of the codes' entropy in it.
        temperature: of the bits' distribution.
        together: bits whose joint distribution H(E[p]) is taken of; None for all. The entropies
            of several groups are added (Zhao et al. 2024, equation 12).

    Raises:
        ValueError: there are 2^63 codes or more, `together` is not 1 to 24 or does not divide the
            channels, or the features do not have the latent's channels.

    Example:
        >>> quantizer = LookupFreeQuantizer([3])
        >>> encoded = quantizer(torch.tensor([[0.2, -3.0, 0.7]])[..., None])
        >>> encoded.latent.flatten().tolist(), encoded.codes.item()
        ([1.0, -1.0, 1.0], 5)
    """

    groups = 1

    def __init__(
        self,
        shape: Sequence[int],
        beta: float = 0.25,
        entropy: float = 0.1,
        diversity: float = 1.0,
        temperature: float = 0.01,
        together: int | None = None,
    ) -> None:
        super().__init__()
        self.in_channels, *grid = shape
        together = self.in_channels if together is None else together
        if not 1 <= together <= TOGETHER or self.in_channels % together:
            raise ValueError(
                f"together must divide the {self.in_channels} channels, and be {TOGETHER} or fewer "
                f"(2^{TOGETHER} probabilities), got {together}"
            )
        if temperature <= 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        self.levels = [2] * self.in_channels
        self.vocabulary = count_codes(self.levels)
        self.beta, self.entropy, self.diversity = beta, entropy, diversity
        self.temperature, self.together = temperature, together
        self.on_grid(grid)

    def on_grid(self, grid: Sequence[int]) -> None:
        self.space = Flat([self.in_channels, *grid])

    @property
    def scale(self) -> float:
        """Magnitude of the coordinates of quantised latents."""
        return 1.0

    def forward(
        self, h: Float[Tensor, "batch channels *grid"], generator: Generators = None
    ) -> Encoded:
        z = self._tokens(full_precision(h, self.in_channels))
        bits = z > 0
        codes = self._codes(bits)
        latent = snap(self._straight(z), self._signs(bits, z.dtype))
        stats = digit_usage(codes, self.vocabulary)
        return Encoded(latent, codes, codes, self._losses(z, latent), stats)

    def latent(
        self, raw: Int[Tensor, "batch *grid group"], generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        return self.codes_to_latent(raw)

    def decodable(
        self, latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, "batch channels *grid"]:
        latent = full_precision(latent, self.in_channels)
        return self._signs(latent > 0, latent.dtype)

    def codes_to_latent(
        self, codes: Int[Tensor, "batch *grid group"]
    ) -> Float[Tensor, "batch channels *grid"]:
        return self._signs(to_digits(codes, self.levels).flip(1) > 0, torch.float32)

    def _losses(self, z: Tensor, q: Tensor) -> dict[str, Tensor]:
        logits = 4 * self.scale / self.temperature * z.movedim(1, -1).flatten(0, -2)
        certain, diverse = token_entropy(logits), code_entropy(logits, self.together)
        return {
            "codebook": self.beta * (q.detach() - z).square().mean(),
            "entropy": self.entropy * (certain - self.diversity * diverse),
        }

    def _tokens(self, h: Tensor) -> Tensor:
        return h

    def _straight(self, z: Tensor) -> Tensor:
        """Return what the gradient of the latent is passed to."""
        return z

    def _codes(self, bits: Tensor) -> Tensor:
        return to_codes(bits.flip(1).long(), self.levels)

    def _signs(self, bits: Tensor, dtype: torch.dtype) -> Tensor:
        return (2 * bits.to(dtype) - 1) * self.scale
