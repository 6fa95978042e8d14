"""Flow matching by descent of a premetric, where geodesics have no formula.

Source: Chen and Lipman, "Flow Matching on General Geometries", 2024, section 3.2.
"""

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes.geodesic_flow import Flow
from ldm.processes.process import Process
from ldm.randomness import Generators, uniform
from ldm.spaces import Space
from ldm.spaces.premetric import Premetric
from ldm.tensors import like

__all__ = ["PremetricFlow"]


class PremetricFlow(Flow):
    """`dx/dt = direction(x, x_1) / (1 - t)`, along which `d(x_t, x_1) = (1 - t) d(x_0, x_1)`.

    Paths are simulated, by Euler steps with `exp`. Because a step shares out the way that is left,
    errors of earlier steps are made good, and paths reach their data. The whole of each path is
    trained at, as it had to be walked anyway.

    Args:
        space: where the latents live.
        premetric: makes, from the space, the premetric whose descent gives the direction.
        steps: number of steps of a path; it is trained at as many times, all before 1 - 1 / steps,
            where the velocity is still a good difference of points.

    Raises:
        ValueError: there are fewer than two steps.

    Example: on a mesh.
        >>> from ldm.spaces import Mesh, SpectralDistance
        >>> import igl
        >>> _ = igl.writeOBJ("icosahedron.obj", *igl.icosahedron())
        >>> ball = Mesh("icosahedron.obj", eigenfunctions=4)
        >>> flow = PremetricFlow(ball, SpectralDistance)
        >>> flow.examples(ball.random(2))[0].shape
        torch.Size([600, 3])
    """

    def __init__(
        self, space: Space, premetric: Callable[[Space], Premetric], steps: int = 300
    ) -> None:
        super().__init__(space)
        if steps < 2:
            raise ValueError(f"a simulated path needs 2 steps or more, got {steps}")
        self._premetric, self.premetric, self.steps = premetric, premetric(space), steps
        self.walked = steps

    def _bound(self, space: Space) -> Process:
        view = super()._bound(space)
        view.premetric = self._premetric(space)
        return view

    def brief(self) -> "PremetricFlow":
        view = copy.copy(self)
        view.walked = 1
        return view

    def random_times(self, n: int, generator: Generators, device) -> Float[Tensor, " n"]:
        """Uniform on [0, 1 - 1 / steps)."""
        return (1 - 1 / self.steps) * uniform((n,), generator, device)

    def path(
        self, latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"], generator: Generators = None
    ) -> tuple[Float[Tensor, "n ..."], Float[Tensor, "n ..."]]:
        """Steps on a uniform grid up to each time, which must be before 1."""
        x = self.space.random(len(latent), generator, latent.device, latent.dtype)
        for number in range(self.steps):
            start = torch.full_like(t, number / self.steps)
            end = t.clamp(min=start, max=start + 1 / self.steps)
            x = self._step(x, self._velocity(x, latent, start), end - start)
        return x, self._velocity(x, latent, t)

    def examples(
        self, latent: Float[Tensor, "n ..."], generator: Generators = None
    ) -> tuple[Float[Tensor, "m ..."], Float[Tensor, " m"], Float[Tensor, "m ..."]]:
        """Points at `steps` times of one path to each latent, the times and the velocities there.

        The times are those of `random_times`, one in each of as many equal parts; those of one
        latent follow one another. A brief copy repeats its first point.
        """
        x = self.space.random(len(latent), generator, latent.device, latent.dtype)
        offset = self.random_times(len(latent), generator, latent.device) / self.steps
        now, found = torch.zeros_like(offset), []
        velocity = self._velocity(x, latent, now)
        for number in range(self.walked):
            t = offset + (1 - 1 / self.steps) * number / self.steps
            x = self._step(x, velocity, t - now)
            velocity, now = self._velocity(x, latent, t), t
            found.append((x, t, velocity))
        found *= self.steps // self.walked
        points, times, velocities = (
            torch.stack(part, 1).flatten(0, 1) for part in zip(*found, strict=True)
        )
        return points, times, velocities

    def _velocity(self, x: Tensor, latent: Tensor, t: Tensor) -> Tensor:
        return self.premetric.direction(x, latent) / like(1 - t, x)

    def _step(self, x: Tensor, velocity: Tensor, time: Tensor) -> Tensor:
        return self.space.exp(x, like(time, x) * velocity)
