"""Real projective space: axes, lines through the origin, directions without a sign."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.projective import ProjectiveHeatKernel
from ldm.spaces.sphere import Sphere

__all__ = ["ProjectiveSpace"]


class ProjectiveSpace(Sphere):
    """RP^d as unit vectors of R^(d+1), x and -x one point; its reference measure is uniform.

    Distances are angles between lines, pi/2 at most. A tangent vector v at x is -v at -x: `log`
    and `exp` speak of the representatives they are given, and `exp(x, log(x, y))` is y or -y.
    What should be a function on the space has to be even: average a network's answers at x and -x.

    Args:
        dim: d, 2 for the lines of space; RP^3 is the space of rotations.

    Raises:
        ValueError: `dim` is less than 1.

    Example:
        >>> plane = ProjectiveSpace(2)
        >>> x, y = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[-0.6, 0.8, 0.0]])
        >>> plane.distance(x, y), plane.log(x, y)
        (tensor([0.9273]), tensor([[ 0.0000, -0.9273,  0.0000]]))
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.log_volume -= math.log(2)

    def log(self, x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The shortest velocity from `x` to `y` or `-y`, whichever is nearer."""
        return super().log(x, _sign(x, y) * y)

    def transport(
        self, x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], v: Float[Tensor, "n d"]
    ) -> Float[Tensor, "n d"]:
        """Transport to the nearer of `y` and `-y`, in the coordinates of `y`."""
        sign = _sign(x, y)
        return sign * super().transport(x, sign * y, v)

    def distance(self, x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        chords = vector_norm(x - y, dim=-1), vector_norm(x + y, dim=-1)
        return 2 * torch.atan2(torch.minimum(*chords), torch.maximum(*chords))

    def embed(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n _"]:
        """The products of coordinates, which do not know x from -x."""
        return (x.unsqueeze(2) * x.unsqueeze(1)).flatten(1)

    @property
    def heat_kernel(self) -> HeatKernel:
        return ProjectiveHeatKernel(Sphere(self.dim).heat_kernel)

    def __repr__(self) -> str:
        return f"ProjectiveSpace({self.dim})"


def _sign(x: Tensor, y: Tensor) -> Tensor:
    """The one of y and -y that is nearer to x."""
    return torch.where((x * y).sum(-1, keepdim=True) < 0, -1.0, 1.0).to(x.dtype)
