"""Grids of real numbers: the latents of images and videos."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, normal
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.flat import FlatHeatKernel
from ldm.spaces.space import Space

__all__ = ["Flat"]


class Flat(Space):
    """Euclidean space of any shape; its reference measure is the standard normal.

    Args:
        shape: of one point, channels first: `(channels, height, width)` for an image latent.

    Example:
        >>> Flat([4, 32, 32]).random(2).shape
        torch.Size([2, 4, 32, 32])
    """

    linear = separable = True

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self.dim = math.prod(self.shape)

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        return normal((n, *self.shape), generator, device, dtype)

    def project(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        return x

    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return v

    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        return x + v

    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        return y - x

    def transport(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return v

    def frame(self, x: Float[Tensor, "n ..."], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n ..."]:
        return c.view_as(x)

    def log_exp_jacobian(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        return x.new_zeros(x.shape[:1])

    def scalar_curvature(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return x.new_zeros(x.shape[:1])

    @property
    def heat_kernel(self) -> HeatKernel:
        return FlatHeatKernel(self)

    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return (y - x).flatten(1).norm(dim=1)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density of the standard normal."""
        flat = x.flatten(1)
        return -0.5 * flat.square().sum(1) - 0.5 * flat.shape[1] * math.log(2 * math.pi)

    def moments(
        self, mean: Float[Tensor, "..."], std: Float[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        return mean, std

    def cut(self, parts: int) -> "Flat":
        """Space of one of equal parts of a point, along the first axis behind the channels.

        Raises:
            ValueError: the axis has no such parts.
        """
        channels, length, *grid = self.shape
        if length % parts:
            raise ValueError(f"{self} has no {parts} equal parts along its axis of {length}")
        return Flat([channels, length // parts, *grid])

    def __repr__(self) -> str:
        return f"Flat({', '.join(map(str, self.shape))})"
