"""Residual quantisation: each stage quantises what the stages before it left.

Source: Zeghidour et al., "SoundStream: An End-to-End Neural Audio Codec", 2021, section III.C.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ldm.bottlenecks.bottleneck import DiscreteBottleneck, Encoded
from ldm.bottlenecks.codebook import join, snap, split, usage
from ldm.bottlenecks.features import full_precision
from ldm.bottlenecks.vector import VectorQuantizer
from ldm.randomness import Generators
from ldm.spaces import Flat

__all__ = ["ResidualQuantizer"]


class ResidualQuantizer(DiscreteBottleneck):
    """Sums the rows that quantisers choose one after the other.

    With r_1 = z, stage k chooses the row q_k for r_k and passes r_{k+1} = r_k - sg q_k on; the
    latent is the sum of all q_k. The loss `codebook` is the sum of the stages' losses on their
    residuals; gradients pass the whole, not its stages.

    Codes have one number a stage. Priors learn codes or sums; generated sums are decoded as they
    are, since to quantise a sum of rows again need not lead to the same rows.

    Args:
        shape: of one latent, `(channels, *grid)`; other grids are accepted, too.
        stages: number of quantisers.
        quantizer: makes each from its `shape`, with one code per token.
        shared: use one codebook for all stages.
        rotation: pass gradients through a rotation, see `snap`.

    Raises:
        ValueError: there is no stage, or a quantiser has several codes per token, or keeps latents
            unquantised.

    Example:
        >>> from functools import partial
        >>> stage = partial(VectorQuantizer, codes=512)
        >>> ResidualQuantizer([4], stages=3, quantizer=stage)(torch.randn(1, 4, 8, 8)).codes.shape
        torch.Size([1, 8, 8, 3])
    """

    def __init__(
        self,
        shape: Sequence[int],
        stages: int,
        quantizer: Callable[..., VectorQuantizer],
        shared: bool = False,
        rotation: bool = False,
    ) -> None:
        super().__init__()
        self.rotation = rotation
        if stages < 1:
            raise ValueError(f"stages must be 1 or more, got {stages}")
        made = [quantizer(shape=shape) for _ in range(1 if shared else stages)]
        if made[0].groups != 1 or getattr(made[0], "unquantized", False):
            raise ValueError(
                "a stage must choose one row for each token, without groups and unquantized"
            )
        self.stages, self.groups = nn.ModuleList(made), stages
        self.vocabulary, self.in_channels = made[0].vocabulary, made[0].in_channels
        self.space = Flat(shape)

    def on_grid(self, grid: Sequence[int]) -> None:
        self.space = Flat([self.in_channels, *grid])

    def forward(
        self, h: Float[Tensor, "batch channels *grid"], generator: Generators = None
    ) -> Encoded:
        z = full_precision(h, self.in_channels)
        codes, losses, total = [], [], torch.zeros_like(z)
        for stage in self._all():
            encoded = stage(z - total, generator)
            codes.append(encoded.codes)
            losses.append(encoded.losses["codebook"])
            total = total + encoded.latent.detach()
        codes = torch.cat(codes, dim=-1)
        stats = usage(codes, self.vocabulary)
        latent = join(snap(split(z, 1), split(total, 1), self.rotation))
        return Encoded(latent, codes, codes, {"codebook": sum(losses)}, stats)

    def latent(
        self, raw: Int[Tensor, "batch *grid group"], generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        return self.codes_to_latent(raw)

    def codes_to_latent(
        self, codes: Int[Tensor, "batch *grid group"]
    ) -> Float[Tensor, "batch channels *grid"]:
        return sum(stage.codes_to_latent(codes[..., [k]]) for k, stage in enumerate(self._all()))

    def _all(self) -> Sequence[VectorQuantizer]:
        return list(self.stages) * (self.groups // len(self.stages))
