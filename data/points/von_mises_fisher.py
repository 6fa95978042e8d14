"""Mixtures of von Mises-Fisher distributions on the sphere."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from data.drawing import world_map
from data.files.errors import DataError
from data.points.charts import Chart, sphere_chart
from data.points.synthetic import Synthetic
from data.values import check_positive

__all__ = ["VonMisesFisher"]


class VonMisesFisher(Synthetic):
    """Mixture of densities proportional to exp(kappa mean.x) on the unit sphere S^2.

    One mean with kappa = 15 is RSGM's toy problem.

    Args:
        means: mean directions of the components, which have equal weights; of any nonzero length.
        kappa: concentration; if large, 1 / variance per tangent direction.
        seed: seed of the sample order.
        workers: number of data loading processes.
        data_seed: seed of the held-out points.
        size: number of points in each split.

    Raises:
        DataError: a mean is not a nonzero 3-vector, or kappa is not positive.

    Example:
        >>> round(VonMisesFisher(kappa=15).entropy, 4)  # 1 + ln(2 pi / 15)
        0.1298
    """

    name, shape, numbers = "vMF", (3,), 3

    def __init__(
        self,
        means: Sequence[Sequence[float]] = ((0, 0, 1),),
        kappa: float = 15.0,
        seed: int = 0,
        workers: int = 0,
        data_seed: int = 0,
        size: int = 20_000,
    ) -> None:
        super().__init__(seed, workers, data_seed, size)
        if not means or any(
            len(mean) != 3 or not 0 < math.hypot(*mean) < math.inf for mean in means
        ):
            raise DataError(f"means must be directions (x, y, z), got {means}")
        check_positive(kappa=kappa)
        directions = torch.tensor([list(mean) for mean in means], dtype=torch.float64)
        self.means = torch.nn.functional.normalize(directions, dim=1)
        self.kappa = kappa

    def transform(self, u: Float64[Tensor, "n 3"]) -> Float64[Tensor, "n 3"]:
        component, height, turn = u.T
        mean = self.means[(component * len(self.means)).long()]
        # The cumulative distribution function of the component along the mean can be inverted.
        z = 1 + torch.log(height + (1 - height) * math.exp(-2 * self.kappa)) / self.kappa
        level = (1 - z.square()).clamp(min=0).sqrt()
        angle = 2 * math.pi * turn
        first, second = _tangents(mean)
        around = angle.cos()[:, None] * first + angle.sin()[:, None] * second
        return z[:, None] * mean + level[:, None] * around

    def log_density(self, x: Float[Tensor, "n 3"]) -> Float64[Tensor, " n"]:
        # |x - mean|^2 / 2 is 1 - x.mean without cancellation near the mean.
        chord = (x.double()[:, None] - self.means).square().sum(-1) / 2
        return torch.logsumexp(-self.kappa * chord, 1) - math.log(len(self.means)) - self._log_norm

    @property
    def entropy(self) -> float | None:
        """Entropy of a single component, nats: ln(2 pi / kappa) + 1 up to exp(-2 kappa)."""
        if len(self.means) > 1:
            return None
        tail = math.exp(-2 * self.kappa)
        return self._log_norm + 1 - 2 * self.kappa * tail / (1 - tail)

    @property
    def _log_norm(self) -> float:
        return math.log(2 * math.pi * -math.expm1(-2 * self.kappa) / self.kappa)

    def drawing(
        self, data: Float[Tensor, "n 3"], samples: Float[Tensor, "m 3"]
    ) -> Float[Tensor, "3 h w"]:
        return world_map(data, samples)

    def chart(self) -> Chart:
        return sphere_chart()


def _tangents(x: Float64[Tensor, "n 3"]) -> tuple[Float64[Tensor, "n 3"], Float64[Tensor, "n 3"]]:
    """Complete each unit vector to an orthonormal basis by two more."""
    axis = torch.zeros_like(x).scatter_(1, x.abs().argmin(1, keepdim=True), 1.0)
    first = torch.nn.functional.normalize(torch.linalg.cross(x, axis), dim=1)
    return first, torch.linalg.cross(x, first)
