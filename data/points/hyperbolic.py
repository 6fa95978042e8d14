"""Mixtures of wrapped normal distributions on hyperbolic space."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from data.drawing import poincare_disk, principal_plane
from data.files.errors import DataError
from data.points.synthetic import Synthetic

__all__ = ["HyperbolicMixture"]


class HyperbolicMixture(Synthetic):
    """Mixture of normals in tangent spaces, mapped by exp to hyperbolic space of curvature -1.

    Points are `(n, d + 1)` on the hyperboloid, the time coordinate first: -x0^2 + x1^2 + ... = -1,
    or `(n, d)` in the Poincaré ball. RSGM uses four modes with anisotropic standard deviations, the
    diffusion mixture a hexagon, flow matching two modes: see `configs/data/hyperbolic*.yaml`.

    Args:
        means: means of the components, which have equal weights, as points of the Poincaré ball.
        scales: standard deviations of each component along the axes of the ball at its mean, in
            units of hyperbolic length.
        model: coordinates of points: "hyperboloid" or "ball".
        seed: seed of the sample order.
        workers: number of data loading processes.
        data_seed: seed of the held-out points.
        size: number of points in each split.

    Raises:
        DataError: a mean outside the ball, a scale that is not positive, not one scale for each
            coordinate of each mean, or an unknown model.
    """

    name = "hyperbolic mixture"

    def __init__(
        self,
        means: Sequence[Sequence[float]] = ((0.4, 0), (-0.4, 0), (0, 0.4), (0, -0.4)),
        scales: Sequence[Sequence[float]] = ((0.15, 0.5), (0.15, 0.5), (0.5, 0.15), (0.5, 0.15)),
        model: str = "hyperboloid",
        seed: int = 0,
        workers: int = 0,
        data_seed: int = 0,
        size: int = 20_000,
    ) -> None:
        super().__init__(seed, workers, data_seed, size)
        if model not in ("hyperboloid", "ball"):
            raise DataError(f"the model of hyperbolic space is hyperboloid or ball, got {model!r}")
        self.model = model
        try:
            ball, self.scales = (
                torch.tensor([list(row) for row in rows], dtype=torch.float64)
                for rows in (means, scales)
            )
        except ValueError as error:
            raise DataError(f"means and scales must be rows of one length: {error}") from error
        inside = ball.square().sum(-1, keepdim=True)
        positive = (self.scales > 0) & self.scales.isfinite()
        if ball.shape != self.scales.shape or not (inside < 1).all() or not positive.all():
            raise DataError(
                "every mean needs to be a point inside the unit ball, and to have as many positive "
                f"scales as coordinates, got means {means} and scales {scales}"
            )
        self.means = _lifted(ball)
        self.numbers = 1 + ball.shape[1]

    @property
    def shape(self) -> tuple[int]:
        """Shape of one point: the dimension, plus one on the hyperboloid."""
        return (self.numbers - (self.model == "ball"),)

    def transform(self, u: Float64[Tensor, "n numbers"]) -> Float64[Tensor, "n coordinates"]:
        component = (u[:, 0] * len(self.means)).long()
        vector = self.scales[component] * torch.special.ndtri(u[:, 1:])
        mean = self.means[component]
        # Parallel transport of a vector from the origin of the hyperboloid to the mean, which keeps
        # the directions of the axes of the ball.
        turned = (vector * mean[:, 1:]).sum(1, keepdim=True) / (1 + mean[:, :1])
        tangent = torch.cat([turned, vector], 1) + turned * mean
        length = torch.linalg.vector_norm(vector, dim=1, keepdim=True)
        x = length.cosh() * mean + _sinhc(length) * tangent
        return x[:, 1:] / (1 + x[:, :1]) if self.model == "ball" else x

    def log_density(self, x: Float[Tensor, "n coordinates"]) -> Float64[Tensor, " n"]:
        space = self._on_hyperboloid(x)[:, None, 1:]
        time = (1 + space.square().sum(-1, keepdim=True)).sqrt()  # exactly on the hyperboloid
        mean_time, mean = self.means[:, :1], self.means[:, 1:]
        chord = (space - mean).square().sum(-1, keepdim=True) - (time - mean_time).square()
        length = 2 * torch.asinh(chord.clamp(min=0).sqrt() / 2)
        # The logarithm of x at the mean, parallel transported back to the origin.
        back = space - mean * (time + (time * mean_time - (space * mean).sum(-1, keepdim=True))) / (
            1 + mean_time
        )
        vector = back / _sinhc(length)
        normal = -(vector / self.scales).square() / 2 - self.scales.log()
        jacobian = (mean.shape[1] - 1) * _sinhc(length).log().squeeze(-1)
        constant = mean.shape[1] / 2 * math.log(2 * math.pi) + math.log(len(self.means))
        return torch.logsumexp(normal.sum(-1) - jacobian, 1) - constant

    def drawing(
        self, data: Float[Tensor, "n coordinates"], samples: Float[Tensor, "m coordinates"]
    ) -> Float[Tensor, "3 h w"]:
        draw = poincare_disk if self.numbers == 3 else principal_plane
        return draw(self._on_hyperboloid(data), self._on_hyperboloid(samples))

    def _on_hyperboloid(self, x: Float[Tensor, "n coordinates"]) -> Float64[Tensor, "n numbers"]:
        return _lifted(x.double()) if self.model == "ball" else x.double()


def _lifted(ball: Float64[Tensor, "n d"]) -> Float64[Tensor, "n numbers"]:
    """Map points of the ball to the hyperboloid."""
    square = ball.square().sum(-1, keepdim=True)
    return torch.cat([1 + square, 2 * ball], dim=-1) / (1 - square)


def _sinhc(x: Float64[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """Compute sinh(x) / x, which is 1 at 0."""
    return torch.where(x.abs() < 1e-4, 1 + x.square() / 6, x.sinh() / x.where(x != 0, 1.0))
