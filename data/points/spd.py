"""Wrapped normal distributions on symmetric positive definite matrices."""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from data.drawing import principal_plane
from data.points.synthetic import Synthetic
from data.values import check_positive

__all__ = ["WrappedSPD"]


class WrappedSPD(Synthetic):
    """Tangent matrices of normal entries at a multiple of the identity, mapped by exp.

    The metric is affine-invariant, `tr(P^-1 U P^-1 V)`, so a unit direction on the diagonal has a
    deviation of `scale / centre`, and one off it, of two entries, sqrt(2) times that. Flow matching
    uses 2 by 2 matrices with centre 2 I and entries of deviation 0.4: 0.20, 0.28, 0.20 (Chen and
    Lipman 2024). A point is the upper triangle of its matrix, row by row.

    Args:
        rows: number of rows of a matrix.
        centre: factor of the identity at the centre of the distribution.
        scale: standard deviation of each entry of a tangent matrix.
        seed: seed of the sample order.
        workers: number of data loading processes.
        data_seed: seed of the held-out points.
        size: number of points in each split.

    Raises:
        DataError: `rows`, `centre` or `scale` is not positive.

    Example:
        >>> WrappedSPD(rows=3).shape
        (6,)
    """

    def __init__(
        self,
        rows: int = 2,
        centre: float = 2.0,
        scale: float = 0.4,
        seed: int = 0,
        workers: int = 0,
        data_seed: int = 0,
        size: int = 20_000,
    ) -> None:
        super().__init__(seed, workers, data_seed, size)
        check_positive(rows=rows, centre=centre, scale=scale)
        self.rows, self.centre, self.scale = rows, centre, scale
        self.numbers = rows * (rows + 1) // 2
        self.name = f"wrapped normal on {rows} by {rows} positive definite matrices"

    @property
    def shape(self) -> tuple[int]:
        """Shape of one point: the number of entries of an upper triangle."""
        return (self.numbers,)

    def transform(self, u: Float64[Tensor, "n numbers"]) -> Float64[Tensor, "n numbers"]:
        tangent = self._matrix(self.scale / self.centre * torch.special.ndtri(u))
        row, column = torch.triu_indices(self.rows, self.rows)
        return self.centre * torch.linalg.matrix_exp(tangent)[:, row, column]

    def log_density(self, x: Float[Tensor, "n numbers"]) -> Float64[Tensor, " n"]:
        value, vector = torch.linalg.eigh(self._matrix(x.double()) / self.centre)
        value, std = value.log(), self.scale / self.centre
        normal = -(self._upper(value, vector) / std).square().sum(1) / 2
        off = self.numbers - self.rows  # of deviation sqrt(2) std in a unit direction
        constant = self.numbers * math.log(std * math.sqrt(2 * math.pi)) + off * math.log(2) / 2
        first, second = torch.triu_indices(self.rows, self.rows, 1)
        half = (value[:, first] - value[:, second]) / 2
        jacobian = torch.where(half == 0, 1.0, half.sinh() / half).log().sum(1)
        return normal - constant - jacobian

    def drawing(
        self, data: Float[Tensor, "n numbers"], samples: Float[Tensor, "m numbers"]
    ) -> Float[Tensor, "3 h w"]:
        """Draw upper triangles of matrix logarithms in the plane of their principal directions."""
        return principal_plane(self._logarithm(data), self._logarithm(samples))

    def _logarithm(self, x: Float[Tensor, "n numbers"]) -> Float64[Tensor, "n numbers"]:
        value, vector = torch.linalg.eigh(self._matrix(x.double()))
        return self._upper(value.log(), vector)

    def _upper(self, value: Tensor, vector: Tensor) -> Float64[Tensor, "n numbers"]:
        row, column = torch.triu_indices(self.rows, self.rows)
        return ((vector * value.unsqueeze(1)) @ vector.mT)[:, row, column]

    def _matrix(self, x: Float64[Tensor, "n numbers"]) -> Float64[Tensor, "n rows rows"]:
        row, column = torch.triu_indices(self.rows, self.rows)
        upper = x.new_zeros(len(x), self.rows, self.rows)
        upper[:, row, column] = x
        return upper + upper.triu(1).mT
