"""From batches of data to what a prior learns: latents, and what it is told of them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from data import Batch
from ldm.hub.weights import fingerprint
from ldm.randomness import Generators
from ldm.tokenizers import Tokenizer

__all__ = ["Latents"]

TOLD = "told."  # prefix of the keys under which raw latents of other tokenizers are stored


class Latents:
    """The maps from data to a prior's latents and conditions, in two steps.

    `encode` is what can be done once and cached; `read` draws what is fresh at every step.

    Args:
        tokenizer: trained, whose latents the prior learns.
        told: trained tokenizers whose latents the prior is conditioned on, by the condition's key.
    """

    def __init__(self, tokenizer: Tokenizer, told: Mapping[str, Tokenizer] | None = None) -> None:
        self.tokenizer, self.told = tokenizer, dict(told or {})

    @property
    def models(self) -> list[Tokenizer]:
        """All tokenizers: to be moved to a device, and never trained."""
        return [self.tokenizer, *self.told.values()]

    @property
    def learned(self) -> bool:
        """Whether encoding costs anything, and so is worth a cache."""
        return any(model.learned for model in self.models)

    @property
    def identity(self) -> str:
        """What tells these maps from others: names and hashes of the tokenizers."""
        told = [f"{key}={fingerprint(model)}" for key, model in sorted(self.told.items())]
        return "-".join([fingerprint(self.tokenizer), *told])

    @torch.no_grad()
    def encode(self, batch: Batch) -> Batch:
        """Raw latents of a batch, and all that it holds beside `x`: what a cache stores."""
        # What encoding draws at random is not used: raw latents are those before a draw.
        encoded = self.tokenizer.encode(batch, torch.Generator(batch["x"].device))
        kept = {key: value for key, value in batch.items() if key != "x"} | encoded.context
        told = {TOLD + key: model.encode(batch).raw for key, model in self.told.items()}
        return {**kept, **told, "raw": encoded.raw}

    @torch.no_grad()
    def read(self, batch: Batch, generator: Generators = None) -> tuple[Tensor, Batch]:
        """Normalised latents of a batch, encoded or not, and all that a prior may be told.

        Args:
            batch: of data, or what `encode` made of one.
            generator: of the posterior noise.
        """
        encoded = batch if "raw" in batch else self.encode(batch)
        told = {
            key: value
            for key, value in encoded.items()
            if key not in ("raw", "index") and not key.startswith(TOLD)
        }
        latent = self._fresh(self.tokenizer, encoded["raw"], generator, told)
        for key, model in self.told.items():
            told[key] = self._fresh(model, encoded[TOLD + key], generator, told)
        return latent, told

    def _fresh(
        self, model: Tokenizer, raw: Tensor, generator: Generators, context: Batch
    ) -> Tensor:
        latent = model.normalize(raw, generator, context)
        return latent.float() if latent.is_floating_point() else latent
