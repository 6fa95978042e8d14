"""Diffusion and flow priors: a backbone, a process and an objective."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.conditioning import Conditioning
from ldm.objectives import Objective
from ldm.priors.prior import Prior
from ldm.priors.silent import Silent
from ldm.processes import Prediction, Process
from ldm.randomness import Generators
from ldm.samplers import Guidance, Likelihood, Sampler, refuse_nan
from ldm.spaces import Space

__all__ = ["Denoiser"]


class Denoiser(Prior):
    """Learns to undo a process with whatever network is given.

    Args:
        backbone: `backbone(noisy, t, **condition)`, its output shaped like the latent; further
            channels are allowed where the objective knows what they are.
        process: how latents are noised.
        objective: what the backbone predicts, and its loss.
        conditioning: which conditions are read and dropped; None for a prior that is told nothing
            but what always passes, a mask.

    Raises:
        ValueError: the objective cannot teach the process.
    """

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
        """The process's: where the latents live."""
        return self.process.space

    def loss(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        condition = self.conditioning.drop(self.conditioning.read(condition), generator)
        loss = self.objective.loss(self.backbone, self.process, latent, condition, generator)
        return {"loss": loss}

    def probe(
        self, latent: Float[Tensor, "n ..."], condition: dict[str, Tensor]
    ) -> Float[Tensor, "n ..."]:
        """The backbone's output on latents as if they were noisy: its shape, and what it costs."""
        t = self.process.random_times(len(latent), None, latent.device)
        return self.backbone(latent, t, **self.conditioning.read(condition))

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

    def example(self, n: int) -> dict[str, Tensor]:
        return self.conditioning.example(n)

    def rehearse(
        self, condition: dict[str, Tensor], sampler: Sampler | None, guidance: Guidance | None
    ) -> None:
        """Draw latents with a network that predicts nothing but zero."""
        network, n = self.backbone, len(next(iter(condition.values()), "."))
        self.backbone = Silent(network)
        try:
            self.sample(n, condition, sampler, torch.Generator(), guidance)
        finally:
            self.backbone = network

    def denoise(
        self, noisy: Float[Tensor, "n ..."], t: Tensor, condition: dict[str, Tensor]
    ) -> Prediction:
        """What the backbone says of noisy latents at times `t`."""
        self.network_calls += 1
        output = self.backbone(noisy, t, **condition)
        return self.objective.read(output, self.process, noisy, t)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        condition: dict[str, Tensor],
        sampler: Sampler,
        generator: Generators = None,
        guidance: Guidance | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` normalised latents.

        Raises:
            ValueError: guidance is asked of a prior without conditions.
            Unsolved: latents are NaN, or an adaptive solver gave up.
        """
        self.network_calls = 0
        denoise = self.denoise
        if guidance is not None and guidance.active:
            if not self.conditioning.active:
                raise ValueError("this prior has no conditions to guide by: set guidance.scale=1")
            denoise = guidance(denoise, self.conditioning.null, self.process)
        device = next(self.parameters()).device
        condition = self.conditioning.read(condition)
        latent = sampler(denoise, self.process, self.space, n, condition, generator, device)
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
        condition = self.conditioning.read(condition)
        return likelihood(self.denoise, self.process, latent, condition, generator)
