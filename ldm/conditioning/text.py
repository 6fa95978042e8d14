"""Captions, embedded by a frozen text encoder."""

import torch
from jaxtyping import Float
from torch import Tensor

from data import Batch
from data.images.captions import as_strings
from ldm.conditioning.condition import Condition
from ldm.conditioning.text_encoder import Embedded, TextEncoder

__all__ = ["Text"]


class Text(Condition):
    """Captions as sequences of embedded tokens; the empty caption is the null condition.

    In place of the bytes of captions under its key, `text`, a network reads `text`, the embedded
    tokens `(n, length, width)`; `text_mask`, `(n, length)`, if the encoder is masked; and
    `text_pooled`, `(n, width)`, if asked for. A latent cache stores these beside the latents.

    Args:
        encoder: of captions.
        rate: probability of dropping a caption in training.
        pooled: True to give one vector for the whole caption, too.
    """

    def __init__(self, encoder: TextEncoder, rate: float = 0.1, pooled: bool = False) -> None:
        super().__init__(rate)
        self.encoder, self.pooled = encoder, pooled

    def entries(self, key: str, batch: Batch) -> Batch:
        text = batch[key]
        if text.is_floating_point():  # embedded already
            return {name: batch[name] for name in self._names(key)}
        return self._named(key, self.encoder(as_strings(text), text.device))

    def null(self, value: Float[Tensor, "n length width"]) -> Float[Tensor, "n length width"]:
        return self.encoder.empty(value.device).tokens.expand_as(value)

    def nulls(self, key: str, entries: Batch) -> Batch:
        null = self._named(key, self.encoder.empty(entries[key].device))
        return {name: null[name].expand_as(value) for name, value in entries.items()}

    def example(self, n: int) -> Float[Tensor, "n length width"]:
        return self.examples("text", n)["text"]

    def examples(self, key: str, n: int) -> Batch:
        return self._named(key, self.encoder.blank()([""] * n, torch.device("cpu")))

    def brief(self) -> "Text":
        return Text(self.encoder.blank(), self.rate, self.pooled)

    def check(self) -> None:
        self.encoder.check()

    @property
    def identity(self) -> str:
        return self.encoder.identity

    def _names(self, key: str) -> list[str]:
        mask, pooled = [f"{key}_mask"] * self.encoder.masked, [f"{key}_pooled"] * self.pooled
        return [key, *mask, *pooled]

    def _named(self, key: str, embedded: Embedded) -> Batch:
        tokens, mask, pooled = embedded
        named = {key: tokens, f"{key}_mask": mask, f"{key}_pooled": pooled}
        return {name: named[name] for name in self._names(key)}
