"""Diffusion and flow priors: a backbone, a process and an objective."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.conditioning import Conditioning
from ldm.objectives import Objective
from ldm.priors.prior import Prior
from ldm.priors.silent import Silent
from ldm.processes import Prediction, Process
from ldm.randomness import Generators
from ldm.samplers import Guidance, Likelihood, Sampler, Span, refuse_nan
from ldm.spaces import Space

__all__ = ["Denoiser"]


class Denoiser(Prior):
    """A prior that reverses a noising process with a learned network.

    Args:
        backbone: `backbone(noisy, t, **condition)`, with output shaped like the latent; more
            channels are allowed if the objective uses them.
        process: noising process of the latents.
        objective: defines the backbone's prediction target and loss.
        conditioning: conditions to read and drop; None for an unconditional prior, which reads at
            most a mask.

    Raises:
        ValueError: the objective does not support the process.
    """

    conditioning: Conditioning  # ty: ignore[incompatible-mutable-override]  never None here

    def __init__(
        self,
        backbone: nn.Module,
        process: Process,
        objective: Objective,
        conditioning: Conditioning | None = None,
    ) -> None:
        super().__init__()
        objective.check(process)
        self.backbone = backbone
        self.process, self.objective = process, objective
        self.conditioning = conditioning or Conditioning()

    @property
    def space(self) -> Space:
        """Space of the latents and of the process."""
        return self.process.space

    def loss(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        condition = self.conditioning.drop(self.conditioning.read(condition), generator)
        process, latent = self._bind(latent, condition)
        loss = self.objective.loss(self.backbone, process, latent, condition, generator)
        return {"loss": loss}

    def brief(self) -> "Denoiser":
        brief = copy.copy(self)
        brief.process, brief.conditioning = self.process.brief(), self.conditioning.brief()
        return brief

    def example(self, n: int) -> dict[str, Tensor]:
        return self.conditioning.example(n)

    def rehearse(
        self, condition: dict[str, Tensor], sampler: Sampler | None, guidance: Guidance | None
    ) -> None:
        """Draw latents with a network that always outputs zero, as does a weak prior's."""
        weak = None if guidance is None else guidance.weak
        priors: list[Denoiser] = [self] if weak is None else [self, weak]
        before = [(one.backbone, one.conditioning) for one in priors]
        for one in priors:
            one.backbone, one.conditioning = Silent(one.backbone), one.conditioning.brief()
        try:
            n = len(next(iter(condition.values()), "."))
            self.sample(n, condition, sampler, torch.Generator(), guidance)
        finally:
            for one, parts in zip(priors, before, strict=True):
                one.backbone, one.conditioning = parts

    def denoise(
        self, noisy: Float[Tensor, "n ..."], t: Tensor, condition: dict[str, Tensor]
    ) -> Prediction:
        """The backbone's prediction from noisy latents at times `t`."""
        self.network_calls += 1
        output = self.backbone(noisy, t, **condition)
        # Guidance calls this with a doubled batch, so the process is bound to the given condition.
        return self.objective.read(output, self.process.on(condition), noisy, t)

    def sample(
        self,
        n: int,
        condition: dict[str, Tensor],
        sampler: Sampler | None,
        generator: Generators = None,
        guidance: Guidance | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` normalised latents, starting from the base distribution.

        Raises:
            ValueError: guidance is active, but the prior has no conditions.
            Unsolved: latents are NaN, or an adaptive solver failed.
        """
        condition = self.conditioning.read(condition)
        process = self.process.on(condition)
        start = process.random(n, generator, next(self.parameters()).device)
        return self.transport(start, condition, sampler, generator, guidance)

    @torch.no_grad()
    def transport(
        self,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        sampler: Sampler | None,
        generator: Generators = None,
        guidance: Guidance | None = None,
        span: Span | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Run the sampler from given points over a time span.

        A reversed span inverts latents; a span that begins in the middle, from `process.noise` of
        latents, edits them (SDEdit, Meng et al. 2022); the full span with scaled starts truncates.

        Args:
            x: points of the space, at the first time of the span.
            condition: read by the backbone.
            sampler: numerical solver of the reverse process.
            generator: source of the noise that a stochastic sampler adds.
            guidance: None for the conditional model.
            span: first and last time; None for the process's, from noise to data.

        Raises:
            ValueError: guidance is active, but the prior has no conditions, or the sampler does not
                support the span.
            Unsolved: latents are NaN, or an adaptive solver failed.
        """
        if sampler is None:
            raise ValueError(f"a {type(self).__name__} needs a sampler: name one, sampler=...")
        self.network_calls = 0
        condition = self.conditioning.read(condition)
        process, x = self._bind(x, condition)
        denoise = self.denoise
        if guidance is not None and guidance.active:
            if guidance.weak is None and not self.conditioning.active:
                told = " and ".join(self.conditioning.dropped)
                why = f" (it was never trained without its {told})" if told else ""
                raise ValueError(
                    f"this prior has no conditions to guide by{why}: set guidance.scale=1"
                )
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
        """Log density of normalised latents, in nats, with respect to their space's volume."""
        self.network_calls = 0
        condition = self.conditioning.read(condition)
        process, latent = self._bind(latent, condition)
        return likelihood(self.denoise, process, latent, condition, generator).log_density

    @torch.no_grad()
    def bound(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """Estimate an upper bound of the negative log likelihood of normalised latents, in nats.

        Raises:
            ValueError: the objective bounds none.
        """
        condition = self.conditioning.read(condition)
        process, latent = self._bind(latent, condition)
        return self.objective.bound(self.backbone, process, latent, condition, generator)

    def _bind(self, x: Tensor, condition: dict[str, Tensor]) -> tuple[Process, Tensor]:
        """Bind the process to these samples' context (mask, sizes), and project the points.

        Points are projected only if there is a context: their padding may hold any values.
        """
        process = self.process.on(condition)
        return process, x if process is self.process else process.space.project(x)
