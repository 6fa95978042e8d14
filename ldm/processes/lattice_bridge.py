"""A diffusion bridge from one point to all points of a lattice, in the reals around it.

Source: Nguyen et al., "GLAD: Improving Latent Graph Generative Modeling with Simple Quantization",
2024, after Liu et al., "Learning Diffusion Bridges on Constrained Domains", 2023.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes.predictions import Drift
from ldm.processes.process import Process
from ldm.processes.rates import Exponential
from ldm.randomness import Generators, uniform
from ldm.spaces import Lattice, Space
from ldm.tensors import like

__all__ = ["LatticeBridge"]


class LatticeBridge(Process):
    """A walk from zero at time 0 that ends on the lattice at time 1, even if nothing is learned.

    `dX = eta(X, t) dt + sqrt(sigma) dB` with `eta = sigma (E[c | X] - X) / rest` is Brownian motion
    that is known to end on a point c of the lattice, so on each with a probability proportional to
    `exp(-|c|^2 / 2 s)`, s being all of its variance. A bridge to one datum z has z in place of the
    expectation. A prediction is what data add to eta: the expectation of
    `sigma (z - E[c | X]) / rest`.

    The expectation over all points of a lattice, of which there are `levels` to the power of
    `channels` at every place, is one over the levels of each channel alone: the weights
    `exp(-|X - c|^2 / 2 rest)` are products over channels.

    Args:
        space: a lattice; steps between its points are real.
        rate: sigma, variance per unit of time; `rest` is what it accumulates from now to time 1.
        steps: times of training are multiples of `1 / steps`, before 1.
        start: standard deviation of the normal numbers that walks start from in place of zero; 1
            in the published ablation, 0 in the published rows.

    Raises:
        ValueError: the space is no lattice, there are no steps, or `start` is negative.

    Example: half-way between two levels, the walk may end on either.
        >>> bridge = LatticeBridge(Lattice([1, 1], levels=2))
        >>> bridge.expected_end(torch.tensor([[[0.5]]]), torch.tensor([0.9]))
        tensor([[[0.5000]]])
    """

    prediction = Drift

    def __init__(
        self,
        space: Space,
        rate: Exponential | None = None,
        steps: int = 1000,
        start: float = 0.0,
    ) -> None:
        if not isinstance(space, Lattice):
            raise ValueError(
                f"a LatticeBridge ends on the points of a lattice, and {space} is none: quantise "
                f"latents with a ScalarQuantizer, or choose another process"
            )
        if steps < 1 or not start >= 0:
            raise ValueError(
                f"a bridge needs 1 step or more and a start of 0 or more, got {steps} and {start}"
            )
        super().__init__(space)
        self.schedule, self.steps, self.start = rate or Exponential(), steps, start

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        """Zeros, where all walks start at one point; else normal numbers."""
        zero = torch.zeros(n, *self.space.shape, device=device, dtype=dtype)
        return self.start * self.space.random_tangent(zero, generator) if self.start else zero

    def random_times(self, n: int, generator: Generators, device) -> Float[Tensor, " n"]:
        """Uniform on the multiples of `1 / steps` before 1."""
        return (uniform((n,), generator, device) * self.steps).floor() / self.steps

    def noise(
        self, latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        """Draw the bridge from its start to each latent at its time."""
        start = self.random(len(latent), generator, latent.device, latent.dtype)
        passed = self.schedule.variance(t) / self.schedule.total
        std = (passed * self.schedule.remaining(t)).sqrt()
        noise = self.space.random_tangent(latent, generator)
        return start.lerp(latent, like(passed, latent)) + like(std, latent) * noise

    def expected_end(
        self, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        """`E[c | X]`: the expected end of a walk without data that is at `x` at time `t`."""
        levels = torch.arange(self.space.levels, device=x.device).to(x) + self.space.lowest
        rest = like(self.schedule.remaining(t), x).unsqueeze(-1)
        weights = (-(x.unsqueeze(-1) - levels).square() / (2 * rest)).softmax(-1)
        return self.space.tangent(x, (weights * levels).sum(-1))

    def towards(
        self, latent: Float[Tensor, "n ..."], x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Drift:
        return Drift(self.target(latent, x, t))

    def target(
        self, latent: Float[Tensor, "n ..."], x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        """Drift that a bridge to `latent` adds to that of a walk without data."""
        return self._pull(t, x) * (latent - self.expected_end(x, t))

    def drift(
        self, prediction: Drift, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        return prediction.drift + self._pull(t, x) * (self.expected_end(x, t) - x)

    def diffusion(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.schedule.rate(t).sqrt()

    def velocity(
        self, prediction: Drift, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        raise ValueError(
            "a LatticeBridge has no flow, and so neither an ODE nor a likelihood: sample with "
            "EulerMaruyama"
        )

    def noise_level(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.schedule.remaining(t).sqrt()

    def _pull(self, t: Tensor, x: Tensor) -> Tensor:
        return like(self.schedule.rate(t) / self.schedule.remaining(t), x)
