"""Latents and conditions of a prior, computed from batches of data."""

from collections.abc import Mapping

import torch
from torch import Tensor

from data import Batch
from ldm.conditioning import Conditioning
from ldm.hub.weights import fingerprint
from ldm.randomness import Generators
from ldm.tokenizers import Tokenizer

__all__ = ["Latents"]

TOLD = "told."  # prefix of the keys under which raw latents of other tokenizers are stored


class Latents:
    """The map from data to a prior's latents and conditions, in two steps.

    `encode` is deterministic and can be cached; `read` draws posterior noise at every step.

    Args:
        tokenizer: trained; the prior learns its latents.
        told: trained tokenizers whose latents condition the prior, by the condition's key.
        conditioning: of the prior, which embeds captions; None to leave the batch's own keys.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        told: Mapping[str, Tokenizer] | None = None,
        conditioning: Conditioning | None = None,
    ) -> None:
        self.tokenizer, self.told = tokenizer, dict(told or {})
        self.conditioning = conditioning or Conditioning()

    @property
    def models(self) -> list[Tokenizer]:
        """All tokenizers; they are moved to the device and stay frozen."""
        return [self.tokenizer, *self.told.values()]

    @property
    def learned(self) -> bool:
        """True if a tokenizer has parameters, so that caching its latents saves work."""
        return any(model.learned for model in self.models)

    @property
    def identity(self) -> str:
        """Key of the cached latents: the hashes of all tokenizers and of encoders of text."""
        told = [f"{key}={fingerprint(model)}" for key, model in sorted(self.told.items())]
        embedded = [self.conditioning.identity] if self.conditioning.identity else []
        return "-".join([fingerprint(self.tokenizer), *told, *embedded])

    @torch.no_grad()
    def encode(self, batch: Batch) -> Batch:
        """Raw latents of a batch, and its keys other than `x`: the content of a cache."""
        # The random draw is discarded: raw latents are deterministic.
        encoded = self.tokenizer.encode(batch, torch.Generator(batch["x"].device))
        kept = {key: value for key, value in batch.items() if key != "x"} | encoded.context
        kept |= self.conditioning.embed(batch)
        told = {TOLD + key: model.encode(batch).raw for key, model in self.told.items()}
        return {**kept, **told, "raw": encoded.raw}

    @torch.no_grad()
    def read(self, batch: Batch, generator: Generators = None) -> tuple[Tensor, Batch]:
        """Normalised latents of a batch, and everything that the prior may be conditioned on.

        Args:
            batch: of data, the result of `encode`, or of latents that were drawn before
                (`latent`).
            generator: of the posterior noise.
        """
        if "latent" in batch:
            told = {key: x for key, x in batch.items() if key not in ("latent", "index")}
            return self.tokenizer.standardize(batch["latent"]), told
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
