"""Flow matching along geodesics.

Source: Chen and Lipman, "Flow Matching on General Geometries", 2024.
"""

from abc import abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes.predictions import Velocity
from ldm.processes.process import Process
from ldm.randomness import Generators, uniform
from ldm.spaces import Law, Space
from ldm.tensors import like

__all__ = ["Flow", "GeodesicFlow"]


class Flow(Process):
    """Paths from the base distribution at time 0 to data at time 1, and their velocities."""

    prediction = Velocity

    @abstractmethod
    def path(
        self, latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"], generator: Generators = None
    ) -> tuple[Float[Tensor, "n ..."], Float[Tensor, "n ..."]]:
        """A point at time `t` of a random path to each latent, and the velocity there."""

    def examples(
        self, latent: Float[Tensor, "n ..."], generator: Generators = None
    ) -> tuple[Float[Tensor, "m ..."], Float[Tensor, " m"], Float[Tensor, "m ..."]]:
        """Points on random paths to each latent, their times, and the velocities there.

        As many a latent as the process finds fit, one after another; here one.
        """
        t = self.random_times(len(latent), generator, latent.device)
        x, velocity = self.path(latent, t, generator)
        return x, t, velocity

    def random_times(self, n: int, generator: Generators, device) -> Float[Tensor, " n"]:
        """Uniform on [0, 1)."""
        return uniform((n,), generator, device)

    def noise(
        self, latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        return self.path(latent, t, generator)[0]

    def noise_level(self, t: Tensor) -> Float[Tensor, " n"]:
        return (1 - t) / t

    def velocity(
        self, prediction: Velocity, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        return prediction.velocity


class GeodesicFlow(Flow):
    """`x_t = exp_{x_0}(t log_{x_0}(x_1))`: constant speed from a draw x_0 to the latent x_1.

    Args:
        space: where the latents live.
        late: share of the training times whose distance to 1 is log-uniform down to `nearest`, the
            others being uniform: data with fine detail decide much of it in the last moments.
        nearest: how close to 1 those times come.
        base: makes, from the space, the distribution at time 0; None for the space's reference
            measure.
    """

    def __init__(
        self,
        space: Space,
        late: float = 0.0,
        nearest: float = 1e-3,
        base: Callable[[Space], Law] | None = None,
    ) -> None:
        super().__init__(space)
        if not (0 <= late <= 1 and 0 < nearest < 1):
            raise ValueError(f"late must be a share and nearest in (0, 1), got {late}, {nearest}")
        self.late, self.nearest = late, nearest
        self._base = base
        self.base = space if base is None else base(space)

    def _bound(self, space: Space) -> Process:
        view = super()._bound(space)
        view.base = space if self._base is None else self._base(space)
        return view

    def random_times(self, n: int, generator: Generators, device) -> Float[Tensor, " n"]:
        """Uniform on [0, 1), but for the late ones."""
        t = super().random_times(n, generator, device)
        if not self.late:
            return t
        late = uniform((n,), generator, device) < self.late
        return torch.where(late, 1 - self.nearest**t, t)

    def path(
        self, latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"], generator: Generators = None
    ) -> tuple[Float[Tensor, "n ..."], Float[Tensor, "n ..."]]:
        start = self.random(len(latent), generator, latent.device, latent.dtype)
        velocity = self.space.log(start, latent)
        x = self.space.exp(start, like(t, latent) * velocity)
        return x, self.space.transport(start, x, velocity)

    def towards(
        self, latent: Float[Tensor, "n ..."], x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Velocity:
        rest = like(1 - t, x)
        return Velocity(torch.where(rest > 0, self.space.log(x, latent) / rest, 0))

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        """Draw from the base distribution."""
        return self.base.random(n, generator, device, dtype)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density of the base distribution, nats."""
        return self.base.log_density(x)
