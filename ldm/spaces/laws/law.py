"""Probability distributions on spaces, which a process may start from."""

from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators

__all__ = ["Law"]


class Law(Protocol):
    """A distribution with samples and a density; every `Space` is one, its reference measure."""

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` points; one generator for all, or one for each."""

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density in nats, against the Riemannian volume."""
