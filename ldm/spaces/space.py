"""What a latent lives in: the one idea under tokenizers, priors and samplers."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators

__all__ = ["Space"]


class Space(ABC):
    """A set of points with a geometry and a reference measure.

    Points and tangent vectors are tensors `(n, *shape)` in ambient coordinates. Distances are in
    the units of those coordinates (radians on unit spheres), log densities in nats.
    """

    shape: tuple[int, ...]
    """The shape of one point in ambient coordinates."""

    linear: bool = False
    """Whether sums and multiples of points are points, as Gaussian processes need."""

    @abstractmethod
    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` points from the reference measure; one generator for all, or one for each."""

    @abstractmethod
    def project(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The nearest point of the space to each ambient point."""

    @abstractmethod
    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """The orthogonal projection of ambient vectors `v` on the tangent spaces at `x`."""

    @abstractmethod
    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Where the geodesic from `x` with velocity `v` is after one unit of time."""

    @abstractmethod
    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The shortest tangent vector at `x` with `exp(x, log(x, y)) = y`."""

    @abstractmethod
    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Geodesic distance between each pair of points."""

    @abstractmethod
    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density of the reference measure against the volume of the space, nats."""

    def moments(
        self, mean: Float[Tensor, "..."], std: Float[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """The shift and scale that normalise latents with this measured mean and deviation.

        A space without a linear structure has none: its points are already where they belong.
        """
        return torch.zeros_like(mean), torch.ones_like(std)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    @abstractmethod
    def __repr__(self) -> str:
        """Name and numbers that tell this space from every other; stored with checkpoints."""
