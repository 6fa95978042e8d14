"""Training a tokenizer: reconstruction, bottleneck, regularising and adversarial losses."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from data import Batch
from ldm.bottlenecks import Encoded
from ldm.losses import Adversarial, Adversaries, Alignment, Regularizer, Weight, weight_at
from ldm.tokenizers import Tokenizer, latents_as_data
from ldm.training.clipping import AdaptiveClip
from ldm.training.training import Training, trained

__all__ = ["TokenizerTraining"]

COLLAPSED = 0.01  # share of its largest value below which a perplexity is called a collapse


class TokenizerTraining(Training):
    """Minimises `reconstruction terms + weighted bottleneck losses + regularizers + adversarial`.

    The discriminator is trained after the tokenizer, on the reconstructions of the same step or of
    a batch of its own.

    Args:
        model: the tokenizer.
        loss: `loss(x, reconstruction)` returns named terms, already weighted; None if the
            regularizers compare data and reconstruction.
        bottleneck_weight: weight of the sum of the bottleneck's losses.
        regularizers: further terms by name, see `Regularizer`; None for none, where a configuration
            takes one back.
        adversarial: discriminator and its losses; None to train without.
        discriminator_optimizer: builds the discriminator's; None for the tokenizer's.
        discriminator_clip: largest gradient norm of the discriminator; None for that of the rest.
        second_batch: train the discriminator on a second batch of each step, which the trained
            tokenizer reconstructs; `samples` counts the first alone (Wang et al. 2024).
        alignment: of the latents with features of a pretrained network; its linear map is trained
            with the tokenizer.
        tokenizer: trained; its normalised latents are this one's data. None to encode data.
        encoder_samples: samples after which the encoder is no longer trained, and the decoder goes
            on; 0 for an encoder that stays as it is, None for one that is trained to the end.
        **common: see `Training`.

    Raises:
        ValueError: there is neither a loss nor a regularizer; or an adaptive clip would mix the
            gradients of tokenizer and discriminator; or the encoder does not say which layer is its
            last, for an alignment.
    """

    def __init__(
        self,
        model: Tokenizer,
        loss: nn.Module | None,
        bottleneck_weight: Weight,
        regularizers: Mapping[str, Regularizer | None] | None = None,
        adversarial: Adversarial | Adversaries | None = None,
        discriminator_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None = None,
        discriminator_clip: float | None = None,
        second_batch: bool = False,
        alignment: Alignment | None = None,
        tokenizer: Tokenizer | None = None,
        encoder_samples: int | None = None,
        **common,
    ) -> None:
        super().__init__(model, **common)
        self.encoder_samples = encoder_samples
        if encoder_samples == 0:  # so that no optimizer has it
            model.encoder.requires_grad_(False)
        further = {name: one for name, one in (regularizers or {}).items() if one is not None}
        self.loss, self.first = [loss], [tokenizer]  # in lists, so that they are not submodules
        self.bottleneck_weight, self.regularizers = bottleneck_weight, further
        if loss is None and not self.regularizers:
            raise ValueError("nothing compares data and reconstruction: set loss or regularizers")
        if adversarial is not None and isinstance(self.clip, AdaptiveClip):
            raise ValueError("an adaptive clip is for one optimizer: set clip to a number")
        if alignment is not None and not hasattr(model.encoder, "last_layer"):
            raise ValueError(f"{type(model.encoder).__name__} has no `last_layer` for an alignment")
        self.adversarial, self.alignment = adversarial, alignment
        self.codes_drawn = 0  # by the last part of a batch
        self.discriminator_optimizer = discriminator_optimizer or self.make_optimizer
        self.discriminator_clip = discriminator_clip
        self.draws = 2 if second_batch and adversarial is not None else 1
        # Frozen modules are neither trained nor saved: perceptual networks are large and public.
        terms = [one.term for one in self.regularizers.values()]
        self.frozen += [one for one in (loss, tokenizer, *terms) if isinstance(one, nn.Module)]
        for part in (adversarial, alignment):
            self.frozen += [] if part is None else part.frozen

    @property
    def partial(self) -> bool:
        """True with a discriminator, whose steps are not the tokenizer's, or a frozen encoder."""
        return self.adversarial is not None or bool(self.encoder_samples)

    def configure_optimizers(self) -> list[Optimizer]:
        optimizers = [self.make_optimizer(trained(*self._generator()))]
        if self.adversarial is not None:
            optimizers.append(self.discriminator_optimizer(trained(self.adversarial)))
        return optimizers

    def _generator(self) -> list[nn.Module]:
        """Modules that the first optimizer trains."""
        return [self.model] if self.alignment is None else [self.model, self.alignment]

    def read(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Batch to encode: the data themselves, or another tokenizer's latents of them."""
        (first,) = self.first
        if first is None:
            return batch
        with torch.no_grad():
            return latents_as_data(first, batch, generator)

    def optimize(self, parts: list[Batch], generator: torch.Generator) -> dict[str, Tensor]:
        others = parts[len(parts) // self.draws :]
        parts = parts[: len(parts) // self.draws]
        pairs: list[Batch] = []

        def tokenizer_loss(part: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            batch = self.read(part, generator)
            reconstruction, encoded = self.model(batch, generator)
            reconstruction["x"] = reconstruction["x"].float()
            pairs.append({"real": batch["x"], "fake": reconstruction["x"].detach()})
            return self.tokenizer_loss(batch, reconstruction, encoded, generator)

        def discriminator_loss(pair: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            if "real" not in pair:
                pair = self._reconstructed(pair, generator)
            return self.adversarial.discriminator_loss(
                pair["real"],
                pair["fake"],
                self.samples_seen,
                self.samples_seen // self.batch_size,
            )

        if self.encoder_samples is not None and self.samples_seen >= self.encoder_samples:
            self.model.encoder.requires_grad_(False)
        optimizers = self.optimizers(use_pl_optimizer=True)
        first, *rest = optimizers if isinstance(optimizers, list) else [optimizers]
        logs = self.minimize(first, trained(*self._generator()), tokenizer_loss, parts)
        for optimizer in rest:
            parameters = list(self.adversarial.parameters())
            # Before the discriminator starts, it sees no data: none is reconstructed for it.
            own = others if self.samples_seen >= self.adversarial.start and others else pairs
            clip = self.discriminator_clip
            more = self.minimize(optimizer, parameters, discriminator_loss, own, clip)
            logs = {**more, **logs, "discriminator_grad_norm": more["grad_norm"]}
        return logs

    @torch.no_grad()
    def _reconstructed(self, part: Batch, generator: torch.Generator) -> Batch:
        """Data and their reconstructions by the tokenizer as it is."""
        batch = self.read(part, generator)
        return {"real": batch["x"], "fake": self.model(batch, generator)[0]["x"].float()}

    def train_dataloader(self) -> Iterable[Batch]:
        batches = super().train_dataloader()
        return batches if self.draws == 1 else Pairs(batches)

    def doubt(self, values: dict[str, float]) -> str | None:
        perplexity = values.get("perplexity", math.inf)
        if perplexity == 1:
            return (
                "the quantiser gives all of a batch the same code, so nothing reaches the decoder: "
                "unless the perplexity soon rises above 1, stop, and lower the learning rate or "
                "the number of codes"
            )
        most = min(self.codes_drawn, getattr(self.model.bottleneck, "vocabulary", 0))
        if perplexity < COLLAPSED * most:
            return (
                f"the codebook has collapsed: the perplexity of a batch's codes is below "
                f"{COLLAPSED:.0%} of what it could be; unless it soon rises, take fewer codes, "
                f"more groups, normalised ones (normalize=l2) or those that begin anew"
            )
        return None

    def pace(self, seen: int, samples: int) -> tuple[float, ...]:
        own = weight_at(self.bottleneck_weight, seen, samples)
        weights = (one.weight_at(seen, samples) for one in self.regularizers.values())
        return (*super().pace(seen, samples), own, *weights)

    def tokenizer_loss(
        self,
        batch: Batch,
        reconstruction: Batch,
        encoded: Encoded,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Total loss of one batch, without the discriminator's own, and the scalars to log."""
        self.codes_drawn = 0 if encoded.codes is None else encoded.codes.numel()
        total, compared, stats = self._terms(self.model, batch, reconstruction, encoded, generator)
        if self.adversarial is not None:
            layer = self.model.decoder.last_layer
            extra, more = self.adversarial.generator_loss(
                batch["x"], reconstruction["x"], compared, layer, self.samples_seen
            )
            total, stats = total + extra, {**stats, **more}
        if self.alignment is not None:
            extra, more = self.alignment(
                batch["x"], encoded.latent, compared, self.model.encoder.last_layer
            )
            total, stats = total + extra, {**stats, **more}
        return total, {"loss": total.detach(), **stats}

    def held_out_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Mean loss of the averaged weights, without adversarial terms; no gradient."""
        model: Tokenizer = self.ema.model
        batch = self.read(batch, generator)
        reconstruction, encoded = model(batch, generator)
        reconstruction["x"] = reconstruction["x"].float()
        return self._terms(model, batch, reconstruction, encoded, generator)[0].detach()

    def _terms(
        self,
        model: Tokenizer,
        batch: Batch,
        reconstruction: Batch,
        encoded: Encoded,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Total without adversarial terms, its part that compares with the data, and scalars."""
        (loss,) = self.loss
        terms = {} if loss is None else loss(batch["x"], reconstruction["x"])
        given = (model, batch, encoded, reconstruction, self.samples_seen, generator)
        further = {
            name: one.weight_at(self.samples_seen, self.samples) * one.term(*given)
            for name, one in self.regularizers.items()
        }
        # An adaptive adversarial weight balances gradients against the reconstruction terms.
        compared = sum(terms.values()) if terms else sum(further.values())
        rest = sum(further.values()) if terms else 0
        weight = weight_at(self.bottleneck_weight, self.samples_seen, self.samples)
        total = compared + rest + weight * sum(encoded.losses.values())
        return total, compared, {**terms, **further, **encoded.losses, **encoded.stats}


class Pairs:
    """Two batches at a time.

    Args:
        batches: an even number of them.
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[Batch]]:
        batches = iter(self.batches)
        for first in batches:
            yield [first, next(batches)]
