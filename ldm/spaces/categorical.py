"""Codes."""

import math
from collections.abc import Sequence

import torch

from ldm.spaces.space import Space

__all__ = ["Categorical"]


class Categorical(Space):
    """Arrays of codes below `vocabulary`."""

    def __init__(self, shape: Sequence[int], vocabulary: int) -> None:
        self.shape, self.vocabulary = tuple(shape), vocabulary
        self.dim = math.prod(self.shape)

    def random(self, n, generator=None, device=None, dtype=torch.int64):
        return torch.randint(self.vocabulary, (n, *self.shape), device=device)

    def project(self, x):
        return x

    tangent = exp = log = transport = frame = distance = log_density = NotImplemented

    def check(self, x):
        pass

    def __repr__(self) -> str:
        return f"Categorical({', '.join(map(str, self.shape))}, vocabulary={self.vocabulary})"
