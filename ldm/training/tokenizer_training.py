"""Training a tokenizer: reconstruction, bottleneck and adversarial losses."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ldm.losses import Adversarial
from ldm.tokenizers import Tokenizer
from ldm.training.training import Batch, Training

__all__ = ["TokenizerTraining"]


class TokenizerTraining(Training):
    """Minimises `sum of reconstruction terms + weighted bottleneck losses + adversarial`.

    The discriminator is trained on the reconstructions of the same step, after the tokenizer.

    Args:
        model: the tokenizer.
        loss: `loss(x, reconstruction)` gives named terms, weighted and ready to be summed.
        bottleneck_weight: of the sum of the bottleneck's losses.
        adversarial: discriminator and its losses, None to train without.
        **common: see `Training`.
    """

    def __init__(
        self,
        model: Tokenizer,
        loss: nn.Module,
        bottleneck_weight: float,
        adversarial: Adversarial | None = None,
        **common,
    ) -> None:
        super().__init__(model, **common)
        self.frozen.append(loss)  # a perceptual network is large, public and never trained
        self.bottleneck_weight = bottleneck_weight
        self.adversarial = adversarial

    def configure_optimizers(self) -> list[Optimizer]:
        optimizers = super().configure_optimizers()
        if self.adversarial is not None:
            optimizers.append(self.optimizer_of(self.adversarial))
        return optimizers

    def optimize(self, parts: list[Batch], generator: torch.Generator) -> dict[str, Tensor]:
        pairs: list[Batch] = []

        def tokenizer_loss(part: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            reconstruction, encoded = self.model(part, generator)
            y = reconstruction["x"].float()
            pairs.append({"real": part["x"], "fake": y.detach()})
            return self._tokenizer_loss(part["x"], y, encoded)

        def discriminator_loss(pair: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            return self.adversarial.discriminator_loss(
                pair["real"], pair["fake"], self.samples_seen
            )

        optimizers = self.optimizers(use_pl_optimizer=True)
        first, *rest = optimizers if isinstance(optimizers, list) else [optimizers]
        logs = self.minimize(first, list(self.model.parameters()), tokenizer_loss, parts)
        for optimizer in rest:
            parameters = list(self.adversarial.parameters())
            more = self.minimize(optimizer, parameters, discriminator_loss, pairs)
            logs = {**more, **logs, "discriminator_grad_norm": more["grad_norm"]}
        return logs

    def _tokenizer_loss(self, x, y, encoded):
        terms = self.frozen[0](x, y)
        reconstruction = sum(terms.values())
        total = reconstruction + self.bottleneck_weight * sum(encoded.losses.values())
        stats = {**terms, **encoded.losses, **encoded.stats}
        if self.adversarial is not None:
            last = self.model.decoder.last_layer
            extra, more = self.adversarial.generator_loss(
                y, reconstruction, last, self.samples_seen
            )
            total, stats = total + extra, {**stats, **more}
        return total, {"loss": total.detach(), **stats}
