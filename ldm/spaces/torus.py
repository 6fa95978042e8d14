"""The flat torus: angles of torsion, phases, directions in the plane."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, uniform
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.torus import TorusHeatKernel
from ldm.spaces.space import Space

__all__ = ["Torus"]

TURN = 2 * math.pi


class Torus(Space):
    """Tuples of angles in [0, 2 pi), radians; the reference measure is uniform.

    Networks see a jump where an angle passes 2 pi. `Power(Sphere(1), n)` is the same torus as n
    pairs (cos, sin), which have none.

    Args:
        dim: how many angles.

    Raises:
        ValueError: `dim` is less than 1.

    Example: the short way round leads over zero.
        >>> Torus(1).log(torch.tensor([[0.5]]), torch.tensor([[6.0]]))
        tensor([[-0.7832]])
    """

    separable = True

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError(f"a torus needs a dimension of 1 or more, got {dim}")
        self.dim = dim
        self.shape = (dim,)
        self.log_volume = dim * math.log(TURN)

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n dim"]:
        return self.project(TURN * uniform((n, self.dim), generator, device, dtype))

    def project(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """The same angles modulo 2 pi: `x` covers the torus, it does not surround it."""
        x = torch.remainder(x, TURN)
        return torch.where(x < TURN, x, x - TURN)  # just below zero rounds to a full turn

    def tangent(
        self, x: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"]
    ) -> Float[Tensor, "n dim"]:
        return v

    def exp(self, x: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        return self.project(x + v)

    def log(self, x: Float[Tensor, "n dim"], y: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        return torch.atan2(torch.sin(y - x), torch.cos(y - x))

    def transport(
        self, x: Float[Tensor, "n dim"], y: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"]
    ) -> Float[Tensor, "n dim"]:
        return v

    def frame(self, x: Float[Tensor, "n dim"], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        return c

    def embed(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n _"]:
        """A pair (cos, sin) for each angle."""
        return torch.stack([x.cos(), x.sin()], dim=-1).flatten(1)

    def log_exp_jacobian(
        self, x: Float[Tensor, "n dim"], v: Float[Tensor, "n dim"]
    ) -> Float[Tensor, " n"]:
        return x.new_zeros(x.shape[:1])

    def scalar_curvature(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, " n"]:
        return x.new_zeros(x.shape[:1])

    @property
    def heat_kernel(self) -> HeatKernel:
        return TorusHeatKernel()

    def distance(self, x: Float[Tensor, "n dim"], y: Float[Tensor, "n dim"]) -> Float[Tensor, " n"]:
        return torch.linalg.vector_norm(self.log(x, y), dim=-1)

    def log_density(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, " n"]:
        """Log density of the uniform distribution: minus the log volume everywhere."""
        return x.new_full(x.shape[:1], -self.log_volume)

    def check(self, x: Float[Tensor, "n dim"]) -> None:
        """Refuse what can be no angles in radians; any within a turn of zero will do.

        Raises:
            ValueError: a number is not finite, or an angle is beyond a full turn.
        """
        super().check(self.project(x))
        largest = x.abs().max().item() if len(x) else 0.0
        if largest > TURN + 1e-3:
            raise ValueError(
                f"angles of {self} must be radians within a turn of zero, got {largest:.4g}: they "
                f"look like degrees; pass radians (torch.deg2rad)"
            )

    def __repr__(self) -> str:
        return f"Torus({self.dim})"
