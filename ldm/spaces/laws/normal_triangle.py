"""Normal distributions of the entries of positive definite matrices."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, normal
from ldm.spaces.spd import SPD

__all__ = ["NormalTriangle"]


class NormalTriangle:
    """Upper triangles of `centre I + std N`, N of independent standard normal entries.

    The few matrices that are not positive definite, of 2 x 2 ones with the default numbers one in
    10^7, are projected; the density leaves that out.

    Source: Chen and Lipman 2024, the base distribution of flow matching on matrices.

    Args:
        space: of the matrices.
        centre: factor of the identity, the mean.
        std: standard deviation of each entry.

    Raises:
        ValueError: `centre` or `std` is not positive.

    Example:
        >>> NormalTriangle(SPD(2)).random(7).shape
        torch.Size([7, 3])
    """

    def __init__(self, space: SPD, centre: float = 3.0, std: float = 0.5) -> None:
        if not (centre > 0 and std > 0):
            raise ValueError(f"centre and std must be above 0, got {centre} and {std}")
        self.space, self.centre, self.std = space, centre, std

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` points; one generator for all, or one for each."""
        noise = normal((n, self.space.dim), generator, device, dtype)
        return self.space.project(self._mean(noise) + self.std * noise)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density in nats, against the Riemannian volume."""
        z = (x - self._mean(x)) / self.std
        constant = self.space.dim * math.log(self.std * math.sqrt(2 * math.pi))
        return -z.square().sum(1) / 2 - constant - self.space.log_volume_element(x)

    def _mean(self, like: Tensor) -> Tensor:
        eye = torch.eye(self.space.n, dtype=like.dtype, device=like.device)
        return self.centre * self.space.triangle(eye)
