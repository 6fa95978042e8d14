"""Mixtures of wrapped normals: a base distribution where one mode is not enough."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, normal, uniform
from ldm.spaces.laws.wrapped_normal import WrappedNormal
from ldm.spaces.space import Space

__all__ = ["WrappedMixture"]


class WrappedMixture:
    """Wrapped normals of one standard deviation round several points, of equal weights.

    Args:
        space: one that knows the Jacobian of its exp.
        means: points of it.
        std: standard deviation in every direction, in the units of the space.

    Raises:
        ValueError: there are no means, one is no point of the space, or `std` is not positive.

    Example:
        >>> from ldm.spaces import PoincareBall
        >>> law = WrappedMixture(PoincareBall(2), [[0.6, -0.6], [-0.6, 0.6]], std=0.7)
        >>> law.log_density(law.random(5)).shape
        torch.Size([5])
    """

    def __init__(self, space: Space, means: Sequence, std: float) -> None:
        if not len(means):
            raise ValueError("a mixture needs one mean or more, got none")
        with torch.device("cpu"):  # no checkpoint fills these in where a model is built on meta
            self.means = torch.tensor([list(mean) for mean in means], dtype=torch.float64)
            for mean in self.means:
                WrappedNormal(space, mean, std)  # refuses what is no point
        self.space, self.std = space, std

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` points; one generator for all, or one for each."""
        which = (uniform((n,), generator, device) * len(self.means)).long()
        means = self.means.to(device, dtype)[which.clamp(max=len(self.means) - 1)]
        c = self.std * normal((n, self.space.dim), generator, device, dtype)
        return self.space.exp(means, self.space.frame(means, c))

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density in nats, against the Riemannian volume."""
        means = self.means.to(x)
        each = [WrappedNormal(self.space, mean, self.std).log_density(x) for mean in means]
        return torch.stack(each).logsumexp(0) - math.log(len(means))
