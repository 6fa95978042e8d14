"""Mixtures of wrapped normal laws on hyperbolic space."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from data.drawing import poincare_disk, principal_plane
from data.errors import DataError
from data.synthetic import Synthetic

__all__ = ["HyperbolicMixture"]


class HyperbolicMixture(Synthetic):
    """Normals in the tangent spaces of points, mapped to the hyperboloid of curvature -1.

    Points are `(n, d + 1)`, the time coordinate first: -x0^2 + x1^2 + ... = -1. RSGM has four modes
    of unequal deviations, the diffusion mixture a hexagon, flow matching a pair: see
    `configs/data/hyperbolic*.yaml`.

    Args:
        means: of the components, which weigh alike, as points of the Poincaré ball.
        scales: standard deviations of each component along the axes of the ball at its mean, in
            units of hyperbolic length.
        seed: of the sample order.
        workers: processes that load.
        data_seed: of the held-out points.
        size: points in each split.

    Raises:
        DataError: a mean outside the ball, a scale that is not positive, or not one scale for each
            coordinate of each mean.
    """

    name = "hyperbolic mixture"

    def __init__(
        self,
        means: Sequence[Sequence[float]] = ((0.4, 0), (-0.4, 0), (0, 0.4), (0, -0.4)),
        scales: Sequence[Sequence[float]] = ((0.15, 0.5), (0.15, 0.5), (0.5, 0.15), (0.5, 0.15)),
        seed: int = 0,
        workers: int = 0,
        data_seed: int = 0,
        size: int = 20_000,
    ) -> None:
        super().__init__(seed, workers, data_seed, size)
        try:
            ball, self.scales = (
                torch.tensor([list(row) for row in rows], dtype=torch.float64)
                for rows in (means, scales)
            )
        except ValueError as error:
            raise DataError(f"means and scales must be rows of one length: {error}") from error
        inside = ball.square().sum(-1, keepdim=True)
        if ball.shape != self.scales.shape or (inside >= 1).any() or not (self.scales > 0).all():
            raise DataError(
                "every mean needs to be a point inside the unit ball, and to have as many positive "
                f"scales as coordinates, got means {means} and scales {scales}"
            )
        self.means = torch.cat([1 + inside, 2 * ball], dim=1) / (1 - inside)
        self.numbers = 1 + ball.shape[1]

    @property
    def shape(self) -> tuple[int]:
        """One more than the dimension."""
        return (self.numbers,)

    def transform(self, u: Float64[Tensor, "n numbers"]) -> Float64[Tensor, "n numbers"]:
        component = (u[:, 0] * len(self.means)).long()
        vector = self.scales[component] * torch.special.ndtri(u[:, 1:])
        mean = self.means[component]
        # A vector at the origin of the hyperboloid, carried to the mean along the geodesic; that
        # is how the axes of the ball are carried too.
        turned = (vector * mean[:, 1:]).sum(1, keepdim=True) / (1 + mean[:, :1])
        tangent = torch.cat([turned, vector], 1) + turned * mean
        length = torch.linalg.vector_norm(vector, dim=1, keepdim=True)
        return length.cosh() * mean + _sinhc(length) * tangent

    def log_density(self, x: Float[Tensor, "n numbers"]) -> Float64[Tensor, " n"]:
        space = x.double()[:, None, 1:]
        time = (1 + space.square().sum(-1, keepdim=True)).sqrt()  # exactly on the hyperboloid
        mean_time, mean = self.means[:, :1], self.means[:, 1:]
        chord = (space - mean).square().sum(-1, keepdim=True) - (time - mean_time).square()
        length = 2 * torch.asinh(chord.clamp(min=0).sqrt() / 2)
        # The logarithm of x at the mean, carried back to the origin.
        back = space - mean * (time + (time * mean_time - (space * mean).sum(-1, keepdim=True))) / (
            1 + mean_time
        )
        vector = back / _sinhc(length)
        normal = -(vector / self.scales).square() / 2 - self.scales.log()
        jacobian = (mean.shape[1] - 1) * _sinhc(length).log().squeeze(-1)
        constant = mean.shape[1] / 2 * math.log(2 * math.pi) + math.log(len(self.means))
        return torch.logsumexp(normal.sum(-1) - jacobian, 1) - constant

    def drawing(
        self, data: Float[Tensor, "n numbers"], samples: Float[Tensor, "m numbers"]
    ) -> Float[Tensor, "3 h w"]:
        return (poincare_disk if self.numbers == 3 else principal_plane)(data, samples)


def _sinhc(x: Float64[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """sinh(x) / x, 1 at 0."""
    return torch.where(x.abs() < 1e-4, 1 + x.square() / 6, x.sinh() / x.where(x != 0, 1.0))
