"""A prior of long clips, which draws window after window.

Source: Yu et al., "Video Probabilistic Diffusion Models in Projected Latent Space", 2023, section
3.3 and appendix (joint training, long generation).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.conditioning import Conditioning, WithPrevious
from ldm.objectives import Objective
from ldm.priors.windowed import Windowed
from ldm.processes import Process
from ldm.randomness import Generators, uniform
from ldm.samplers import Guidance, Likelihood, PerWindow, Sampler, Span

__all__ = ["Successive"]


class Successive(Windowed):
    """Draws windows of latents one after another, each told the one before: a Markov chain.

    Train on two windows, and draw as many as the data's clips have.

    The network reads the window before as `previous`, of the same shape, zeros where there is none.
    In training one draw decides for the whole batch whether it is told: then the windows are any
    but a clip's first, else any.

    Args:
        backbone: `backbone(noisy, t, previous=..., **condition)`, of latents of one window.
        process: of the latents of one window.
        objective: defines the backbone's prediction target and loss.
        conditioning: conditions of a clip, which all its windows are told.
        windows: in a clip.
        told: probability that a training batch is told the windows before its own.

    Raises:
        ValueError: the objective does not support the process, the space is not flat, or `told` is
            no probability.
    """

    def __init__(
        self,
        backbone: nn.Module,
        process: Process,
        objective: Objective,
        conditioning: Conditioning | None = None,
        windows: int = 1,
        told: float = 0.3,
    ) -> None:
        if not 0 <= told <= 1:
            raise ValueError(f"a batch is told with a probability in [0, 1], got told={told}")
        whole = WithPrevious(conditioning or Conditioning(), process.space.shape)
        super().__init__(backbone, process, objective, whole, windows)
        self.told = told

    def loss(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        n, windows = len(latent), torch.stack(latent.chunk(self.windows, 2), 1)
        chance = uniform((n,), generator, latent.device)[:1]
        after = (chance < self.told) & (self.windows > 1)
        place = uniform((n,), generator, latent.device) * (self.windows - after.int())
        number, rows = place.long() + after, torch.arange(n, device=latent.device)
        previous = windows[rows, (number - 1).clamp(min=0)] * after.view(
            1, *[1] * (latent.ndim - 1)
        )
        return super().loss(windows[rows, number], {**condition, "previous": previous}, generator)

    def sample(
        self,
        n: int,
        condition: dict[str, Tensor],
        sampler: Sampler | None,
        generator: Generators = None,
        guidance: Guidance | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Draw latents of `n` clips; those of more windows begin as those of fewer.

        A `PerWindow` sampler has another one for windows after the first.
        """
        device, calls, latents = next(self.parameters()).device, 0, []
        previous = torch.zeros(n, *self.process.space.shape, device=device)
        for number in range(self.windows):
            told = {**condition, "previous": previous}
            if number == 1 and isinstance(sampler, PerWindow):
                sampler = sampler.following
            previous = super().sample(n, told, sampler, generator, guidance)
            latents.append(previous)
            calls += self.network_calls
        self.network_calls = calls
        return torch.cat(latents, 2)

    def transport(
        self,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        sampler: Sampler | None,
        generator: Generators = None,
        guidance: Guidance | None = None,
        span: Span | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Run the sampler from points of one window, a clip's first if no `previous` is given."""
        told = {"previous": torch.zeros_like(x), **condition}
        return super().transport(x, told, sampler, generator, guidance, span)

    def log_prob(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        likelihood: Likelihood,
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """Sum of the log densities of the windows, each given the one before it, nats."""
        densities = [
            super(Successive, self).log_prob(*one, likelihood, generator)
            for one in self._told(latent, condition)
        ]
        return torch.stack(densities).sum(0)

    def bound(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """Sum of the bounds of the windows, each given the one before it, nats."""
        bounds = [
            super(Successive, self).bound(*one, generator) for one in self._told(latent, condition)
        ]
        return torch.stack(bounds).sum(0)

    def _told(
        self, latent: Float[Tensor, "n ..."], condition: dict[str, Tensor]
    ) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Each window of a clip, and its conditions."""
        previous = None
        for window in latent.chunk(self.windows, 2):
            before = torch.zeros_like(window) if previous is None else previous
            yield window, {**condition, "previous": before}
            previous = window
