"""A separable convolution over points and orientations, of each feature on its own.

Source: Bekkers et al., "Fast, expressive SE(n) equivariant networks through weight-sharing in
position-orientation space", 2024.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ldm import distributed

__all__ = ["SeparableConvolution"]


class SeparableConvolution(nn.Module):
    """Sums over points, then a mean over orientations, with kernels linear in given functions.

    Args:
        width: of the features.
        basis: number of functions that the kernels are linear in.
    """

    scale: Float[Tensor, " 2"]

    def __init__(self, width: int, basis: int) -> None:
        super().__init__()
        self.kernel = nn.Linear(basis, width, bias=False)
        self.fiber_kernel = nn.Linear(basis, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("scale", torch.ones(2))

    def forward(
        self,
        x: Float[Tensor, "b n o d"],
        basis: Float[Tensor, "b n n o k"],
        fiber_basis: Float[Tensor, "o o k"],
    ) -> Float[Tensor, "b n o d"]:
        """Features of receivers, the second axis of `basis`, from those of senders, its third."""
        spatial, fiber = self.scale
        return self._fiber(self._spatial(x, basis) * spatial, fiber_basis) * fiber + self.bias

    def _spatial(self, x: Tensor, basis: Tensor) -> Tensor:
        return (self.kernel(basis) * x.unsqueeze(1)).sum(2)

    def _fiber(self, x: Tensor, fiber_basis: Tensor) -> Tensor:
        kernel = self.fiber_kernel(fiber_basis) / len(fiber_basis)
        return torch.einsum("pod,bnod->bnpd", kernel.to(x.dtype), x)

    @torch.no_grad()
    def calibrate(
        self, x: Tensor, basis: Tensor, fiber_basis: Tensor, mask: Bool[Tensor, "b n"]
    ) -> None:
        """Set the scales so that features leave each sum with the deviation they came with."""
        goal = _deviation(x[mask])
        middle = self._spatial(x, basis)
        self.scale[0] = _ratio(goal, _deviation(middle[mask]))
        after = self._fiber(middle * self.scale[0], fiber_basis)
        self.scale[1] = _ratio(goal, _deviation(after[mask]))


def _deviation(x: Float[Tensor, "rows o d"]) -> Float[Tensor, ""]:
    """Standard deviation of all numbers, on all processes."""
    x = x.double() if x.device.type == "cpu" else x.float()
    sums = torch.stack([x.new_tensor(x.numel()), x.sum(), x.square().sum()])
    count, total, square = distributed.mean(sums)
    return (square / count - (total / count).square()).clamp(min=0).sqrt()


def _ratio(goal: Tensor, found: Tensor) -> Tensor:
    """Their ratio; 1 where features are constant."""
    usable = (goal > 0) & (found > 0)
    return torch.where(usable, goal / found, 1)
