"""Diffusion and flow priors: a backbone, a process and an objective."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.conditioning.labels import LabelDropout
from ldm.objectives import Objective
from ldm.priors.prior import Prior
from ldm.processes import Prediction, Process
from ldm.randomness import Generators
from ldm.samplers import Guidance, Likelihood, Sampler, Span, refuse_nan
from ldm.spaces import Space

__all__ = ["Denoiser"]


class Denoiser(Prior):
    """Learns to undo a process with whatever network is given.

    Args:
        backbone: `backbone(noisy, t, **condition)`, its output shaped like the latent; further
            channels are allowed where the objective knows what they are.
        process: how latents are noised.
        objective: what the backbone predicts, and its loss.
        conditioning: which conditions are used and dropped; None for an unconditional prior.

    Raises:
        ValueError: the objective cannot teach the process.
    """

    def __init__(
        self,
        backbone: nn.Module,
        process: Process,
        objective: Objective,
        conditioning: LabelDropout | None = None,
    ) -> None:
        super().__init__()
        objective.check(process)
        self.backbone = backbone
        self.process, self.objective, self.conditioning = process, objective, conditioning

    @property
    def space(self) -> Space:
        """The space of the latents, which is the process's."""
        return self.process.space

    def loss(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        condition = self._keep(condition)
        if self.conditioning is not None:
            condition = self.conditioning.drop(condition, generator)
        process, latent = self._bind(latent, condition)
        loss = self.objective.loss(self.backbone, process, latent, condition, generator)
        return {"loss": loss}

    def probe(
        self, latent: Float[Tensor, "n ..."], condition: dict[str, Tensor]
    ) -> Float[Tensor, "n ..."]:
        """The backbone's output on latents as if they were noisy: its shape, and what it costs."""
        t = self.process.random_times(len(latent), None, latent.device)
        return self.backbone(latent, t, **self._keep(condition))

    def check_output(self, shape: Sequence[int]) -> None:
        noisy = self.process.random(shape[0])
        t = self.process.random_times(len(noisy), None, "cpu")
        found = self.objective.read(torch.zeros(*shape), self.process, noisy, t)
        for name, field in found._asdict().items():
            if field.shape != noisy.shape:
                raise ValueError(
                    f"the network's output {tuple(shape[1:])} makes a {name} of shape "
                    f"{tuple(field.shape[1:])}, not {tuple(noisy.shape[1:])}"
                )

    def denoise(
        self, noisy: Float[Tensor, "n ..."], t: Tensor, condition: dict[str, Tensor]
    ) -> Prediction:
        """The backbone's prediction from noisy latents at times `t`."""
        self.network_calls += 1
        output = self.backbone(noisy, t, **condition)
        # Guidance asks of a doubled batch, so the view is that of the condition given here.
        return self.objective.read(output, self.process.on(condition), noisy, t)

    def sample(
        self,
        n: int,
        condition: dict[str, Tensor],
        sampler: Sampler,
        generator: Generators = None,
        guidance: Guidance | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` normalised latents, from starts that the base distribution draws.

        Raises:
            ValueError: guidance is asked of a prior without conditions.
            Unsolved: latents are NaN, or an adaptive solver gave up.
        """
        process = self.process.on(self._keep(condition))
        start = process.random(n, generator, next(self.parameters()).device)
        return self.transport(start, condition, sampler, generator, guidance)

    @torch.no_grad()
    def transport(
        self,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        sampler: Sampler,
        generator: Generators = None,
        guidance: Guidance | None = None,
        span: Span | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Run the sampler from given points over a span.

        The reversed span inverts latents; one that begins in the middle, from `process.noise` of
        latents, edits them (SDEdit, Meng et al. 2022); scaled starts of the whole truncate.

        Args:
            x: points of the space, at the first time of the span.
            condition: what the points are to be; the backbone reads it.
            sampler: the walk.
            generator: source of the noise that a stochastic sampler adds.
            guidance: None for the conditional model.
            span: first and last time; None for the process's, from noise to data.

        Raises:
            ValueError: guidance is asked of a prior without conditions, or the sampler cannot walk
                the span.
            Unsolved: latents are NaN, or an adaptive solver gave up.
        """
        self.network_calls = 0
        condition = self._keep(condition)
        process, x = self._bind(x, condition)
        denoise = self.denoise
        if guidance is not None and guidance.active:
            if self.conditioning is None:
                raise ValueError("this prior has no conditions to guide by: set guidance.scale=1")
            denoise = guidance(denoise, self.conditioning.null, process)
        latent = sampler(denoise, process, x, condition, generator, span)
        return refuse_nan(type(sampler).__name__, latent)

    @torch.no_grad()
    def log_prob(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        likelihood: Likelihood,
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """Log density of normalised latents, nats against the volume of their space."""
        self.network_calls = 0
        condition = self._keep(condition)
        process, latent = self._bind(latent, condition)
        return likelihood(self.denoise, process, latent, condition, generator).log_density

    def _bind(self, x: Tensor, condition: dict[str, Tensor]) -> tuple[Process, Tensor]:
        """The process's view for these samples, and the points in its space.

        Points are projected in a view alone: their padding may hold anything.
        """
        process = self.process.on(condition)
        return process, x if process is self.process else process.space.project(x)

    def _keep(self, condition):
        return {} if self.conditioning is None else self.conditioning.keep(condition)
