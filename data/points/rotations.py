"""Mixtures of wrapped normal distributions on SO(3)."""

import math

import torch
from jaxtyping import Float, Float64
from scipy.special import gammaincinv
from torch import Tensor

from data.drawing import rotations
from data.points.synthetic import Synthetic
from data.values import check_positive

__all__ = ["RotationMixture"]

SHAPE = 100.0  # shape parameter of the Gamma distribution of precisions; its rate is 1


class RotationMixture(Synthetic):
    """Mixture of normals in tangent spaces of random rotations, mapped to SO(3), as in RSGM.

    Means are uniform, precisions Gamma(100, 1), weights equal. The noise is standard normal in the
    Frobenius metric, divided by the square root of the precision: components of the rotation vector
    have variance 1 / (2 precision). Densities are with respect to the volume in the rotation-vector
    metric, 8 pi^2 in total. Components hardly overlap, so no model exceeds a log-likelihood of
    about 0.911, 0.218 and -0.476 nats with 16, 32 and 64 components.

    Args:
        components: number of components.
        seed: seed of the sample order.
        workers: number of data loading processes.
        data_seed: seed of means and precisions, and of the held-out points.
        size: number of points in each split.

    Raises:
        DataError: `components` is less than one.
    """

    shape, numbers = (3, 3), 4

    def __init__(
        self,
        components: int = 16,
        seed: int = 0,
        workers: int = 0,
        data_seed: int = 0,
        size: int = 20_000,
    ) -> None:
        super().__init__(seed, workers, data_seed, size)
        check_positive(components=components)
        u = self.parameters(components, 5)
        self.name = f"{components} modes on SO(3)"
        self.means = _of_quaternions(torch.special.ndtri(u[:, :4]))
        precision = torch.from_numpy(gammaincinv(SHAPE, u[:, 4].numpy()))
        self.scales = (2 * precision).rsqrt()

    def transform(self, u: Float64[Tensor, "n 4"]) -> Float64[Tensor, "n 3 3"]:
        component = (u[:, 0] * len(self.means)).long()
        vector = self.scales[component, None] * torch.special.ndtri(u[:, 1:])
        return self.means[component] @ torch.linalg.matrix_exp(_hat(vector))

    def log_density(self, x: Float[Tensor, "n 3 3"]) -> Float64[Tensor, " n"]:
        # |x - mean|^2 = 8 sin^2(angle / 2) in the Frobenius norm. Other preimages under exp are
        # more than forty standard deviations away.
        chord = torch.linalg.matrix_norm(x.double()[:, None] - self.means)
        half = torch.asin((chord / math.sqrt(8)).clamp(max=1))
        normal = -2 * (half / self.scales).square() - 3 * self.scales.log()
        jacobian = 2 * torch.sinc(half / math.pi).log()
        each = normal - 1.5 * math.log(2 * math.pi) - jacobian
        return torch.logsumexp(each, 1) - math.log(len(self.means))

    def drawing(
        self, data: Float[Tensor, "n 3 3"], samples: Float[Tensor, "m 3 3"]
    ) -> Float[Tensor, "3 h w"]:
        return rotations(data, samples)


def _of_quaternions(q: Float64[Tensor, "n 4"]) -> Float64[Tensor, "n 3 3"]:
    """Convert quaternions (w, x, y, z) of any length to rotations; normal ones become uniform."""
    q = torch.nn.functional.normalize(q, dim=1)
    w, v = q[:, 0, None, None], q[:, 1:]
    cross = _hat(v)
    return torch.eye(3, dtype=q.dtype) + 2 * w * cross + 2 * cross @ cross


def _hat(v: Float64[Tensor, "n 3"]) -> Float64[Tensor, "n 3 3"]:
    """Map rotation vectors to the matrices of their cross products."""
    x, y, z = v.T
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
