"""Differences of positions, and features of the distances of all pairs of points."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Distances", "differences"]


class Distances(nn.Module):
    """Features of squared distances of each pair of points: themselves, or waves of distances.

    Waves tell bonds apart whose lengths differ by hundredths of an Angstrom sooner than a
    perceptron learns to from squares.

    Args:
        waves: number of wavelengths, from 16 down to 1/2 in the unit of the positions; 0 for the
            squared distances, as published.
        distances: number of distances of a pair.
    """

    def __init__(self, waves: int, distances: int = 2) -> None:
        super().__init__()
        self.waves, self.out_features = waves, distances * (2 * waves or 1)

    def forward(self, squares: Float[Tensor, "b n n distances"]) -> Float[Tensor, "b n n features"]:
        if not self.waves:
            return squares
        lengths = torch.logspace(4, -1, self.waves, base=2, dtype=squares.dtype)
        angles = (squares + 1e-8).sqrt().unsqueeze(-1) * (2 * torch.pi / lengths.to(squares.device))
        return torch.cat([angles.sin(), angles.cos()], -1).flatten(3)


def differences(
    x: Float[Tensor, "b n 3"],
) -> tuple[Float[Tensor, "b n n 3"], Float[Tensor, "b n n"]]:
    """Vectors from each other point to each point, and their squared lengths."""
    apart = x.unsqueeze(2) - x.unsqueeze(1)
    return apart, apart.square().sum(-1)
