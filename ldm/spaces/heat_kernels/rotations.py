"""Brownian motion on SO(3), computed with unit quaternions.

SO(3) is the projective space of S^3 with lengths doubled: variance s on SO(3) is s/4 for
quaternions, and volumes on SO(3) are eight times larger. As functions of the angle the densities
are those of Nikolayev and Savyolova 1997, "Normal distribution on the rotation group SO(3)".
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.projective import ProjectiveHeatKernel
from ldm.spaces.numerics.quaternions import quaternion, rotation

__all__ = ["RotationHeatKernel"]


class RotationHeatKernel(HeatKernel):
    """Heat kernel of SO(3) in the rotation-vector metric, exact for variances of 1e-12 and more.

    Args:
        sphere: the heat kernel of S^3.
    """

    def __init__(self, sphere: HeatKernel) -> None:
        self.quaternions = ProjectiveHeatKernel(sphere)

    def log_density(
        self, x: Float[Tensor, "n 3 3"], origin: Float[Tensor, "n 3 3"], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        q, one = _relative(x, origin)
        return self.quaternions.log_density(q, one, s / 4) - math.log(8)

    def score(
        self, x: Float[Tensor, "n 3 3"], origin: Float[Tensor, "n 3 3"], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n 3 3"]:
        q, one = _relative(x, origin)
        g = self.quaternions.score(q, one, s / 4)
        # Rotating by exp(hat(v)) moves q by q v / 2, so the gradient in v is half Im(conj(q) g).
        w, u = q[:, :1], q[:, 1:]
        v = (w * g[:, 1:] - g[:, :1] * u - torch.linalg.cross(u, g[:, 1:])) / 2
        return torch.linalg.cross(x, v.unsqueeze(-2).expand_as(x))

    def sample(
        self, origin: Float[Tensor, "n 3 3"], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n 3 3"]:
        q = self.quaternions.sample(quaternion(origin), s / 4, generator)
        return rotation(q)


def _relative(x: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the quaternion from origin to x, as precise as x - origin, and the identity's."""
    # Autocast does not round double precision.
    difference = (origin.double().mT @ (x - origin).double()).to(x.dtype)
    eye = torch.eye(3, dtype=x.dtype, device=x.device)
    q = quaternion(eye + difference)
    return q, torch.eye(1, 4, dtype=x.dtype, device=x.device).expand_as(q)
