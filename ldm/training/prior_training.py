"""Training a prior on a frozen tokenizer's latents."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from data import Batch
from ldm.priors import Prior
from ldm.randomness import Generators
from ldm.samplers import Likelihood
from ldm.tokenizers import Tokenizer
from ldm.training.latents import Latents
from ldm.training.selection import Selection
from ldm.training.training import Training

__all__ = ["PriorTraining"]


class PriorTraining(Training):
    """Minimises the prior's loss on normalised latents, cached (`raw` in the batch) or encoded.

    Args:
        model: the prior.
        tokenizer: trained; kept in evaluation mode and not saved in checkpoints.
        told: trained tokenizers whose latents condition the prior, by the condition's key.
        selection: by likelihood on the val split; None to keep the last averaged weights.
        latent_shards: folder of latents that are trained on in place of the data's, see
            `LatentShards`; None to encode the data.
        **common: see `Training`.

    Raises:
        ValueError: prior and tokenizer have different spaces; or, at the first step, latents were
            never measured, are not in the space, or are not normalised although it is linear and
            their scale was measured.
    """

    def __init__(
        self,
        model: Prior,
        tokenizer: Tokenizer,
        told: Mapping[str, Tokenizer] | None = None,
        selection: Selection | None = None,
        latent_shards: str | None = None,
        **common,
    ) -> None:
        super().__init__(model, **common)
        self.selection, self.latent_shards = selection, latent_shards
        if model.space != tokenizer.space:
            raise ValueError(f"the prior is of {model.space}, the tokenizer of {tokenizer.space}")
        self.latents = Latents(tokenizer, told, model.conditioning)
        self.frozen += self.latents.models

    def optimize(self, parts: list[Batch], generator: torch.Generator) -> dict[str, Tensor]:
        def loss(part: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            latent, told = self.latents.read(part, generator)
            losses = {
                name: value.mean()
                for name, value in self.model.loss(latent, told, generator).items()
            }
            total = sum(losses.values())
            spread = {"latent_std": latent.std()} if latent.is_floating_point() else {}
            return total, {"loss": total.detach(), **losses, **spread}

        if self.samples_seen == 0:
            self._check(*self.latents.read(parts[0], torch.Generator(self.device)))
        return self.minimize(self.optimizers(), list(self.model.parameters()), loss, parts)

    def held_out_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        latent, told = self.latents.read(batch, generator)
        losses = self.ema.model.loss(latent, told, generator)
        return sum(value.mean() for value in losses.values()).detach()

    def log_prob(
        self, batch: Batch, likelihood: Likelihood, generator: Generators = None
    ) -> Float[Tensor, " n"]:
        """Log densities of a batch's latents under the averaged prior, nats."""
        latent, told = self.latents.read(batch, generator)
        return self.ema.model.log_prob(latent, told, likelihood, generator)

    def _check(self, latent: Tensor, told: Batch) -> None:
        if not all(model.measured for model in self.latents.models):
            raise ValueError(
                "the mean and standard deviation of the tokenizer's latents were never measured: "
                "call tokenizer.measure first"
            )
        space = self.model.space.on(told)
        space.check(latent)
        if not latent.is_floating_point() or self.latents.tokenizer.fixed:
            return
        # Statistics that would normalise the latents again; mean 0 and std 1 in spaces without a
        # linear scale, whatever the latents.
        numbers = space.features(latent)
        std = space.moments(numbers.mean().view(1), numbers.std().view(1))[1].item()
        if not 0.5 < std < 2:
            raise ValueError(
                f"normalised latents have a standard deviation of {std:.3g}, not 1: the "
                f"tokenizer's mean and std are not those of this data; measure them again by "
                f"finishing its training on it"
            )
