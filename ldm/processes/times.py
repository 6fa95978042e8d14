"""Distributions of the times that a flow is trained at."""

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, normal

__all__ = ["LogitNormal"]


class LogitNormal:
    """Times whose logits are normal (Esser et al. 2024, equation 19).

    Args:
        mean: of the logits; in a flow here, above 0 for times nearer to data, below 0 to noise.
        std: of the logits, above 0.

    Raises:
        ValueError: `std` is not above 0.

    Example:
        >>> LogitNormal(mean=1.0)(3, torch.Generator().manual_seed(0), "cpu").shape
        torch.Size([3])
    """

    def __init__(self, mean: float = 0.0, std: float = 1.0) -> None:
        if std <= 0:
            raise ValueError(f"the standard deviation of logits must be above 0, got {std}")
        self.mean, self.std = mean, std

    def __call__(
        self, n: int, generator: Generators, device: torch.device | str | None
    ) -> Float[Tensor, " n"]:
        """Draw `n` times."""
        return (self.mean + self.std * normal((n,), generator, device)).sigmoid()
