"""Captions as token ids, for networks that embed them by layers of their own."""

import copy
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int32
from torch import Tensor

from data import Batch
from data.files.cache import content_key
from data.images.captions import as_strings
from ldm.conditioning.condition import Condition
from ldm.hub.pretrained import read_tokenizer, tokenized

__all__ = ["Tokens"]


class Tokens(Condition):
    """Captions as ids of a published tokenizer; those of the empty caption are the null condition.

    In place of the bytes of captions under its key, `text`, a network reads their ids there,
    `(n, length)`, of 32 bits.

    Args:
        model: folder of the tokenizer's files, or their name on the Hugging Face hub.
        length: tokens of every caption; longer ones are cut, shorter ones padded.
        rate: probability of dropping a caption in training.
    """

    def __init__(self, model: str, length: int, rate: float = 0.1) -> None:
        super().__init__(rate)
        self.model, self.length, self.blank = model, length, False

    def entries(self, key: str, batch: Batch) -> Batch:
        text = batch[key]
        if text.dtype == torch.int32:  # ids already
            return {key: text}
        return {key: self._ids(as_strings(text)).to(text.device)}

    def null(self, value: Int32[Tensor, "n length"]) -> Int32[Tensor, "n length"]:
        return self._ids([""]).to(value.device).expand_as(value)

    def example(self, n: int) -> Int32[Tensor, "n length"]:
        return torch.zeros(n, self.length, dtype=torch.int32)

    def brief(self) -> "Tokens":
        brief = copy.copy(self)
        brief.blank = True
        return brief

    def check(self) -> None:
        _ = self._tokenizer

    @property
    def identity(self) -> str:
        vocabulary = json.dumps(self._tokenizer.get_vocab(), sort_keys=True)
        return content_key(f"{self.length} {vocabulary}")

    @cached_property
    def _tokenizer(self) -> Any:
        return read_tokenizer(self.model)

    def _ids(self, texts: Sequence[str]) -> Int32[Tensor, "n length"]:
        if self.blank:
            return self.example(len(texts))
        return tokenized(self._tokenizer, texts, self.length)[0].int()
