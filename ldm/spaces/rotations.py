"""Rotations of space: the orientations of bodies, residues, grippers and cameras."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from ldm.randomness import Generators, normal
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.rotations import RotationHeatKernel
from ldm.spaces.matrix_group import MatrixGroup
from ldm.spaces.numerics.procrustes import nearest_rotation
from ldm.spaces.numerics.quaternions import quaternion, rotation
from ldm.spaces.sphere import Sphere

__all__ = ["Rotations"]

# The turns about the three axes: hat(v) w = v x w.
HAT = torch.tensor(
    [
        [[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
        [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]],
        [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    ],
    device="cpu",
)


class Rotations(MatrixGroup):
    """SO(3), the 3x3 rotation matrices; its reference measure is Haar.

    The metric is that of rotation vectors, half the Frobenius one: the length of a tangent vector
    x hat(v) is |v|, distances are angles of rotation in radians, the volume is 8 pi^2. A Brownian
    motion of variance s has E[(1 + 2 cos angle) / 3] = exp(-s).

    Example: a quarter turn about the z axis.
        >>> x = torch.eye(3)[None]
        >>> y = Rotations().exp(x, Rotations().frame(x, torch.tensor([[0.0, 0.0, math.pi / 2]])))
        >>> Rotations().distance(x, y)
        tensor([1.5708])
    """

    shape = (3, 3)
    log_volume = math.log(8 * math.pi**2)

    def __init__(self) -> None:
        super().__init__(HAT, unit=math.sqrt(2))

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n 3 3"]:
        q = normal((n, 4), generator, device, torch.promote_types(dtype, torch.float32))
        return rotation(q / vector_norm(q, dim=-1, keepdim=True)).to(dtype)

    def matrix(self, x: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 3 3"]:
        return x.double()

    def coordinates(self, m: Float[Tensor, "n 3 3"], dtype: torch.dtype) -> Float[Tensor, "n 3 3"]:
        return m.to(dtype)

    def algebra_exp(self, a: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 3 3"]:
        """Rodrigues' formula."""
        angle = _positive(vector_norm(_vee(a), dim=-1))[..., None, None]
        linear, square = torch.sin(angle) / angle, 2 * (torch.sin(angle / 2) / angle).square()
        return torch.eye(3, dtype=a.dtype, device=a.device) + linear * a + square * (a @ a)

    def algebra_log(self, difference: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 3 3"]:
        """Take the logarithm by quaternions, as exact at a half turn as at a small one."""
        q = quaternion(torch.eye(3).to(difference) + difference)
        sine = vector_norm(q[..., 1:], dim=-1, keepdim=True)
        angle = 2 * torch.atan2(sine, q[..., :1])
        return self.algebra(q[..., 1:] * torch.where(sine > 0, angle / _positive(sine), 2.0))

    def nearest(self, m: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 3 3"]:
        return nearest_rotation(m)

    def log_exp_jacobian(
        self, x: Float[Tensor, "n 3 3"], v: Float[Tensor, "n 3 3"]
    ) -> Float[Tensor, " n"]:
        """`2 log |sin(r/2) / (r/2)|` with r the angle; minus infinity at a full turn."""
        angle = vector_norm(self.left(x, v), dim=(-2, -1)) / self.unit  # no NaN gradient at zero
        return 2 * torch.sinc(angle / (2 * math.pi)).abs().log().to(x.dtype)

    @property
    def heat_kernel(self) -> HeatKernel:
        return RotationHeatKernel(Sphere(3).heat_kernel)

    def __repr__(self) -> str:
        return "Rotations()"


def _vee(a: Tensor) -> Tensor:
    return torch.stack([a[..., 2, 1], a[..., 0, 2], a[..., 1, 0]], -1)


def _positive(x: Tensor) -> Tensor:
    # Keeps quotients, and gradients of those a `where` discards, finite at zero.
    return x.clamp(min=torch.finfo(x.dtype).tiny)
