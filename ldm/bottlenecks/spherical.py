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
from ldm.bottlenecks.choices import among_equal_rows, by_distance
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
        normalize: "l2" and "l1" divide groups by that norm, and rows for the search; "none" changes
            nothing; "clip" clamps groups to [-1, 1], as in the paper's starred rows. None is the
            paper's rule: "l2" if d > 2, else "none".
        init: of the codebook, see `fill_codebook`; None is "symmetric" with "clip", else "sphere".
        beta: weight of the commitment loss.
        temperature: draw codes while training, see `by_distance`; None takes the nearest.
        random_ties: draw from equal rows while training, as groups of one channel have many with
            "l2"; otherwise the first of them is taken.
        rotation: pass gradients through a rotation, see `snap`.
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
        init: str | None = None,
        beta: float = 0.25,
        temperature: float | None = None,
        random_ties: bool = False,
        rotation: bool = False,
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
        if normalize not in ("l2", "l1", "none", "clip"):
            raise ValueError(f'normalize is "l2", "l1", "none", "clip" or None, got {normalize!r}')
        if temperature is not None and temperature <= 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        self.groups, self.width, self.vocabulary = groups, width, codes
        self.normalize, self.beta, self.flat = normalize, beta, flat
        self.init = init or ("symmetric" if normalize == "clip" else "sphere")
        self.temperature, self.random_ties, self.rotation = temperature, random_ties, rotation
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
        fill_codebook(self.codebook, self.init)

    def forward(
        self, h: Float[Tensor, "batch channels *grid"], generator: Generators = None
    ) -> Encoded:
        u = self._normalized(full_precision(h, self.in_channels))
        codes = self._choose(u, generator) if self.training else self._look_up(u)
        q = embedding(codes, self.codebook)
        losses = {"codebook": quantization_loss(u, q, 1.0, self.beta)}
        return Encoded(
            join(snap(u, q, self.rotation)), codes, codes, losses, usage(codes, self.vocabulary)
        )

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
        return groups.clamp(-1, 1) if self.normalize == "clip" else self._on_norm(groups)

    def _on_norm(self, x: Tensor) -> Tensor:
        norms = {"l1": 1.0, "l2": 2.0}
        return normalize(x, norms[self.normalize], dim=-1) if self.normalize in norms else x

    def _look_up(self, u: Tensor) -> Tensor:
        return nearest(u.flatten(0, -2), self._on_norm(self.codebook)).view(u.shape[:-1])

    def _choose(self, u: Tensor, generator: Generators) -> Tensor:
        if self.temperature is not None:
            return by_distance(u, self._on_norm(self.codebook), self.temperature, generator)
        codes = self._look_up(u)
        if not self.random_ties:
            return codes
        return among_equal_rows(codes, self._on_norm(self.codebook), generator)
