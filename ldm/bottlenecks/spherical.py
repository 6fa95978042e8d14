"""Grouped spherical quantisation: groups of channels share one codebook on the unit sphere.

Source: Wang et al., "Scaling Image Tokenizers with Grouped Spherical Quantization", 2024
(arXiv 2412.02632), section 3.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import embedding, normalize

from ldm.bottlenecks.bottleneck import DiscreteBottleneck, Encoded
from ldm.bottlenecks.codebook import fill_codebook, join, quantization_loss, snap, split, usage
from ldm.bottlenecks.features import full_precision
from ldm.bottlenecks.nearest import nearest
from ldm.randomness import Generators
from ldm.spaces import Flat, Power, Sphere

__all__ = ["GroupedSphericalQuantizer"]


class GroupedSphericalQuantizer(DiscreteBottleneck):
    """Splits each token into groups and replaces each by the nearest code of a shared codebook.

    With u the normalised group, the code is the j of least |u - l2(c_j)|^2, and the decoder reads
    the unnormalised row c_j: only the loss `codebook`, <(c_j - sg u)^2> + beta <(sg c_j - u)^2>,
    keeps rows near the sphere. The straight-through gradient passes through the normalisation.

    `raw` is the codes. Priors learn points of a product of spheres: `latent` normalises the rows of
    codes, and `decodable` quantises generated points to unnormalised rows.

    Args:
        shape: of one latent, `(channels, *grid)`; other grids are accepted, too.
        groups: number of groups; channels g d to (g + 1) d - 1 are group g, d = channels / groups.
        codes: rows of the codebook; a token has `codes ** groups` values.
        normalize: "l2" normalises groups, and rows for the search; "none" changes nothing; "clip"
            clamps groups to [-1, 1] and initialises the codebook uniformly there, as in the paper's
            starred rows. None is the paper's rule: "l2" if d > 2, else "none".
        beta: weight of the commitment loss.
        flat: declare a flat space although groups are normalised, and return unnormalised rows, for
            flat priors.

    Raises:
        ValueError: groups do not divide the channels, `normalize` is unknown, or the features do
            not have the latent's channels.

    Example:
        >>> quantizer = GroupedSphericalQuantizer([16, 16, 16], groups=4, codes=512)
        >>> quantizer(torch.randn(1, 16, 16, 16)).codes.shape
        torch.Size([1, 16, 16, 4])
    """

    def __init__(
        self,
        shape: Sequence[int],
        groups: int,
        codes: int,
        normalize: str | None = None,
        beta: float = 0.25,
        flat: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, *grid = shape
        if groups < 1 or self.in_channels % groups:
            raise ValueError(
                f"groups must divide the channels, got {groups} groups of {self.in_channels}"
            )
        width = self.in_channels // groups
        if normalize is None:
            normalize = "l2" if width > 2 else "none"
        if normalize not in ("l2", "none", "clip"):
            raise ValueError(f'normalize is "l2", "none", "clip" or None, got {normalize!r}')
        self.groups, self.width, self.vocabulary = groups, width, codes
        self.normalize, self.beta, self.flat = normalize, beta, flat
        self.on_grid(grid)
        self.codebook = nn.Parameter(torch.empty(codes, width))
        self.reset_parameters()

    def on_grid(self, grid: Sequence[int]) -> None:
        # S^0 is two points, without tangent directions: signs are treated as real numbers.
        if self.normalize == "l2" and self.width > 1:
            self.manifold = Power(Sphere(self.width - 1), self.groups, grid)
        self.on_spheres = self.manifold is not None and not self.flat
        self.space = self.manifold if self.on_spheres else Flat([self.in_channels, *grid])

    def reset_parameters(self) -> None:
        """Initialise the codebook again."""
        fill_codebook(self.codebook, "symmetric" if self.normalize == "clip" else "sphere")

    def forward(
        self, h: Float[Tensor, "batch channels *grid"], generator: Generators = None
    ) -> Encoded:
        u = self._normalized(full_precision(h, self.in_channels))
        codes = self._look_up(u)
        q = embedding(codes, self.codebook)
        losses = {"codebook": quantization_loss(u, q, 1.0, self.beta)}
        return Encoded(join(snap(u, q)), codes, codes, losses, usage(codes, self.vocabulary))

    def latent(
        self, raw: Int[Tensor, "batch *grid group"], generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        latent = self.codes_to_latent(raw)
        if not self.on_spheres:
            return latent
        return join(normalize(split(latent, self.groups), dim=-1))

    def decodable(
        self, latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, "batch channels *grid"]:
        return self.codes_to_latent(
            self._look_up(self._normalized(full_precision(latent, self.in_channels)))
        )

    def codes_to_latent(
        self, codes: Int[Tensor, "batch *grid group"]
    ) -> Float[Tensor, "batch channels *grid"]:
        return join(embedding(codes, self.codebook))

    def _normalized(self, h: Tensor) -> Tensor:
        """Groups as compared with the codebook, `(batch, *grid, groups, d)`."""
        groups = split(h, self.groups)
        if self.normalize == "l2":
            return normalize(groups, dim=-1)
        return groups.clamp(-1, 1) if self.normalize == "clip" else groups

    def _look_up(self, u: Tensor) -> Tensor:
        rows = self.codebook
        if self.normalize == "l2":
            rows = normalize(rows, dim=-1)
        return nearest(u.flatten(0, -2), rows).view(u.shape[:-1])
