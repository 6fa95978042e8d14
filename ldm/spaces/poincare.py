"""Hyperbolic space as a ball: a chart to look at, with bounded coordinates."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from ldm.randomness import Generators
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.hyperbolic import HyperbolicHeatKernel
from ldm.spaces.hyperbolic import Hyperboloid
from ldm.spaces.space import Space

__all__ = ["PoincareBall"]


class PoincareBall(Space):
    """The unit ball with the metric `lambda^2 |dx|^2`, `lambda = 2 / (1 - |x|^2)`: curvature -1.

    The same space as `Hyperboloid(dim, scale)`, which computes everything: the ball's own formulas
    divide small differences by each other. Rounding leaves no room between points and the rim
    beyond a distance of 15 from the centre in float32, 34 in float64, where points are held.

    Args:
        dim: of the ball.
        scale: standard deviation of the reference measure, a wrapped normal at the centre, in each
            unit tangent direction.

    Raises:
        ValueError: `dim` is less than 1 or `scale` is not positive.

    Example:
        >>> disc = PoincareBall(2)
        >>> disc.distance(torch.zeros(1, 2), torch.tensor([[0.5, 0.0]]))  # log 3
        tensor([1.0986])
    """

    def __init__(self, dim: int, scale: float = 1.0) -> None:
        self.hyperboloid = Hyperboloid(dim, scale)
        self.dim, self.scale = dim, scale
        self.shape = (dim,)

    def to_hyperboloid(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n time_and_dim"]:
        """The same points in the coordinates of `Hyperboloid`."""
        return self.hyperboloid.project(torch.cat([x[..., :1], x * self._conformal(x)], dim=-1))

    def from_hyperboloid(self, y: Float[Tensor, "n time_and_dim"]) -> Float[Tensor, "n dim"]:
        """Points of `Hyperboloid` in coordinates of the ball: seen from (-1, 0, ..., 0)."""
        return self.project(y[..., 1:] / (1 + y[..., :1]))

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        return self.from_hyperboloid(self.hyperboloid.random(n, generator, device, dtype))

    def project(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The nearest point that rounding can still tell from the rim."""
        rim = 1 - 8 * torch.finfo(x.dtype).eps
        norm = vector_norm(x, dim=-1, keepdim=True)
        return torch.where(norm > rim, x * (rim / norm.clamp(min=rim)), x)

    def check(self, x: Float[Tensor, "n ..."]) -> None:
        super().check(x)
        rim = 1 - 4 * torch.finfo(x.dtype).eps  # a little beyond that of `project`
        if (vector_norm(x, dim=-1) > rim).any():
            raise ValueError(f"points of {self} must be within its rim: project them first")

    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return v

    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        y = self.to_hyperboloid(x)
        return self.from_hyperboloid(self.hyperboloid.exp(y, self._pushed(x, v)))

    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        to = self.hyperboloid.log(self.to_hyperboloid(x), self.to_hyperboloid(y))
        return self._pulled(x, to)

    def inner(
        self, x: Float[Tensor, "n ..."], u: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        return (self._conformal(x).square() * u * v).sum(-1)

    def transport(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        start, end = self.to_hyperboloid(x), self.to_hyperboloid(y)
        return self._pulled(y, self.hyperboloid.transport(start, end, self._pushed(x, v)))

    def frame(self, x: Float[Tensor, "n ..."], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n ..."]:
        return c / self._conformal(x)

    def gradient(
        self, x: Float[Tensor, "n ..."], euclidean: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return euclidean / self._conformal(x).square()

    def log_volume_element(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """`dim log lambda`."""
        return self.dim * self._conformal(x).squeeze(-1).log()

    def log_exp_jacobian(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        return self.hyperboloid.log_exp_jacobian(self.to_hyperboloid(x), self._pushed(x, v))

    @property
    def heat_kernel(self) -> HeatKernel:
        return HyperbolicHeatKernel(self)

    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return self.hyperboloid.distance(self.to_hyperboloid(x), self.to_hyperboloid(y))

    def squared_distance(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        """Squared geodesic distance, smooth also where the points meet."""
        return self.hyperboloid.squared_distance(self.to_hyperboloid(x), self.to_hyperboloid(y))

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density of the wrapped normal at the centre, against hyperbolic volume."""
        return self.hyperboloid.log_density(self.to_hyperboloid(x))

    def _conformal(self, x: Tensor) -> Tensor:
        return 2 / (1 - x.square().sum(-1, keepdim=True))

    def _pushed(self, x: Tensor, v: Tensor) -> Tensor:
        """The differential of `to_hyperboloid`."""
        scale = self._conformal(x)
        time = scale.square() * (x * v).sum(-1, keepdim=True)
        return torch.cat([time, scale * v + time * x], dim=-1)

    def _pulled(self, x: Tensor, w: Tensor) -> Tensor:
        """The differential of `from_hyperboloid`, of a vector at the image of `x`."""
        return (w[..., 1:] - x * w[..., :1]) / self._conformal(x)

    def __repr__(self) -> str:
        return f"PoincareBall({self.dim}, scale={self.scale})"
