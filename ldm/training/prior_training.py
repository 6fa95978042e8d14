"""Training a prior on a frozen tokenizer's latents."""

import torch
from torch import Tensor

from ldm.priors import Prior
from ldm.tokenizers import Tokenizer
from ldm.training.selection import Selection
from ldm.training.training import Batch, Training

__all__ = ["PriorTraining"]

NOT_CONDITIONS = {"x", "raw", "index"}


class PriorTraining(Training):
    """Minimises the prior's loss on normalised latents, cached (`raw` in the batch) or encoded.

    Args:
        model: the prior.
        tokenizer: trained; kept in evaluation mode and out of checkpoints.
        selection: by likelihood on the val split; None to keep the last averaged weights.
        **common: see `Training`.

    Raises:
        ValueError: prior and tokenizer live in different spaces; or, found at the first step,
            latents are no points of it, or are not normalised where it is linear.
    """

    def __init__(
        self,
        model: Prior,
        tokenizer: Tokenizer,
        selection: Selection | None = None,
        **common,
    ) -> None:
        super().__init__(model, **common)
        self.selection = selection
        if model.space != tokenizer.space:
            raise ValueError(f"the prior is of {model.space}, the tokenizer of {tokenizer.space}")
        self.frozen.append(tokenizer)

    @property
    def tokenizer(self) -> Tokenizer:
        """Maps between data and latents."""
        return self.frozen[0]

    def optimize(self, parts: list[Batch], generator: torch.Generator) -> dict[str, Tensor]:
        def loss(part: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            latent = self.latent(part, generator)
            losses = {
                name: value.mean()
                for name, value in self.model.loss(latent, self.condition(part), generator).items()
            }
            total = sum(losses.values())
            return total, {"loss": total.detach(), **losses, "latent_std": latent.std()}

        if self.samples_seen == 0:
            self._check(self.latent(parts[0], torch.Generator(self.device)))
        return self.minimize(self.optimizers(), list(self.model.parameters()), loss, parts)

    def condition(self, batch: Batch) -> Batch:
        """What the prior may be conditioned on."""
        return {key: value for key, value in batch.items() if key not in NOT_CONDITIONS}

    @torch.no_grad()
    def latent(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Normalised latents of a batch."""
        # Encoding draws from elsewhere: what it draws is not used, and would make the numbers that
        # follow differ from those of a cached batch.
        unused = torch.Generator(self.device)
        raw = batch["raw"] if "raw" in batch else self.tokenizer.encode(batch, unused).raw
        return self.tokenizer.normalize(raw, generator).float()

    def _check(self, latent: Tensor) -> None:
        space = self.model.space
        space.check(latent)
        # What would normalise them once more: nothing, where a space has no scale of its own.
        std = space.moments(latent.mean().view(1), latent.std().view(1))[1].item()
        if not 0.5 < std < 2:
            raise ValueError(
                f"normalised latents deviate by {std:.3g}, not by 1: the tokenizer's mean and std "
                f"are not those of this data; measure them again by finishing its training on it"
            )
