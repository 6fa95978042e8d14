"""Mixtures of wrapped normal laws on the group of rotations."""

import math

import torch
from jaxtyping import Float, Float64
from scipy.special import gammaincinv
from torch import Tensor

from data.drawing import rotations
from data.files.errors import DataError
from data.points.synthetic import Synthetic

__all__ = ["RotationMixture"]

SHAPE = 100.0  # of the Gamma law of the precisions, whose rate is 1


class RotationMixture(Synthetic):
    """Normals in the tangent spaces of random rotations, mapped to SO(3), as in RSGM.

    Means are uniform, precisions Gamma(100, 1), weights equal. The noise is a standard normal in
    the Frobenius metric over the square root of the precision: a rotation vector's components have
    variance 1 / (2 precision). Densities are against the volume of rotation vectors, 8 pi^2 in all.
    Components hardly overlap, so no model exceeds a log-likelihood of about 0.911, 0.218 and -0.476
    nats with 16, 32 and 64 of them.

    Args:
        components: how many.
        seed: of the sample order.
        workers: processes that load.
        data_seed: of means and precisions, and of the held-out points.
        size: points in each split.

    Raises:
        DataError: no component.
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
        if components < 1:
            raise DataError(f"a mixture needs 1 component or more, got {components}")
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
        # |x - mean|^2 = 8 sin^2(angle / 2) in the Frobenius norm; longer ways round to the same
        # rotation are forty deviations away and more.
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
    """Rotations of quaternions (w, x, y, z) of any length: of normal ones, uniform."""
    q = torch.nn.functional.normalize(q, dim=1)
    w, v = q[:, 0, None, None], q[:, 1:]
    cross = _hat(v)
    return torch.eye(3, dtype=q.dtype) + 2 * w * cross + 2 * cross @ cross


def _hat(v: Float64[Tensor, "n 3"]) -> Float64[Tensor, "n 3 3"]:
    """The matrices of the cross products with rotation vectors."""
    x, y, z = v.T
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
