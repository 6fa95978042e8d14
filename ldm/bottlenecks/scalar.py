"""The finite scalar quantiser: every channel is rounded to one of a few whole numbers.

Sources: Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2024; for graphs, Nguyen
et al., "GLAD: Improving Latent Graph Generative Modeling with Simple Quantization", 2024.
"""

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor

from ldm.bottlenecks.bottleneck import DiscreteBottleneck, Encoded
from ldm.bottlenecks.codebook import snap
from ldm.bottlenecks.digits import count_codes, digit_usage, to_codes, to_digits
from ldm.bottlenecks.features import full_precision
from ldm.randomness import Generators
from ldm.spaces import Lattice

__all__ = ["ScalarQuantizer"]


class ScalarQuantizer(DiscreteBottleneck):
    """Rounds `levels / 2 tanh(h)` to whole numbers, with a straight-through gradient.

    Latents are points of a `Lattice` whose levels are -2 to 2, for five of them. Nothing is learned
    and there is no loss. `raw` is the codes: the channels as digits of one number. Places that a
    mask leaves empty hold zeros, and are not counted in the usage of codes; that of more than a
    million codes is not reported.

    Args:
        shape: of one latent, `(channels, *grid)`; other grids are accepted, too.
        levels: of each channel; an odd number.

    Raises:
        ValueError: `levels` is not odd, there are 2^63 codes or more, or the features do not have
            the latent's channels.

    Example:
        >>> import torch
        >>> quantizer = ScalarQuantizer([2, 3], levels=5)
        >>> quantizer(torch.tensor([[[0.0, 0.3, 9.0], [0.0, -9.0, 0.0]]])).latent
        tensor([[[ 0.,  1.,  2.],
                 [ 0., -2.,  0.]]])
    """

    groups = 1

    def __init__(self, shape: Sequence[int], levels: int = 5) -> None:
        super().__init__()
        if levels < 1 or levels % 2 == 0:
            raise ValueError(f"levels must be an odd number, so that 0 is one, got {levels}")
        self.in_channels, self.levels = shape[0], levels
        self.digits = [levels] * self.in_channels
        self.vocabulary = count_codes(self.digits)
        self.on_grid(shape[1:])

    def on_grid(self, grid: Sequence[int]) -> None:
        self.space = Lattice([self.in_channels, *grid], self.levels, -(self.levels // 2))

    def forward(
        self, h: Float[Tensor, "batch channels *grid"], generator: Generators = None
    ) -> Encoded:
        z = self.levels / 2 * full_precision(h, self.in_channels).tanh()
        # Halves are rounded to even: 2.5, which a tanh rounds to, to 2.
        q = self.space.project(z)
        codes = to_codes((q.detach() - self.space.lowest).long(), self.digits)
        mask = self.space.mask
        counted = None if mask is None else mask.to(codes.device).expand(codes.shape[:-1])
        stats = digit_usage(codes, self.vocabulary, counted)
        return Encoded(snap(z, q), codes, codes, {}, stats)

    def latent(
        self, raw: Int[Tensor, "batch *grid group"], generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        return self.codes_to_latent(raw)

    def decodable(
        self, latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, "batch channels *grid"]:
        return self.space.project(full_precision(latent, self.in_channels))

    def codes_to_latent(
        self, codes: Int[Tensor, "batch *grid group"]
    ) -> Float[Tensor, "batch channels *grid"]:
        return to_digits(codes, self.digits).float() + self.space.lowest
