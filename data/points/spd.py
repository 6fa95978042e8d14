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
    """Isotropic normal in the tangent space at a multiple of the identity, mapped by exp.

    The metric is affine-invariant, `tr(P^-1 U P^-1 V)`. Flow matching uses 2 by 2 matrices with
    centre 2 I and standard deviation 0.4. A point is the upper triangle of its matrix, row by row.

    Args:
        rows: number of rows of a matrix.
        centre: factor of the identity at the centre of the distribution.
        scale: standard deviation in every unit direction.
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
        # Unit vectors of off-diagonal entries have 1 / sqrt(2) in two places.
        weight = torch.where(self._diagonal(), 1.0, math.sqrt(0.5))
        tangent = self._matrix(self.scale * torch.special.ndtri(u) * weight)
        row, column = torch.triu_indices(self.rows, self.rows)
        return self.centre * torch.linalg.matrix_exp(tangent)[:, row, column]

    def log_density(self, x: Float[Tensor, "n numbers"]) -> Float64[Tensor, " n"]:
        value = torch.linalg.eigvalsh(self._matrix(x.double()) / self.centre).log()
        normal = -(value / self.scale).square().sum(1) / 2
        constant = self.numbers * math.log(self.scale * math.sqrt(2 * math.pi))
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
        log = (vector * value.log().unsqueeze(1)) @ vector.mT
        row, column = torch.triu_indices(self.rows, self.rows)
        return log[:, row, column]

    def _matrix(self, x: Float64[Tensor, "n numbers"]) -> Float64[Tensor, "n rows rows"]:
        row, column = torch.triu_indices(self.rows, self.rows)
        upper = x.new_zeros(len(x), self.rows, self.rows)
        upper[:, row, column] = x
        return upper + upper.triu(1).mT

    def _diagonal(self) -> Tensor:
        row, column = torch.triu_indices(self.rows, self.rows)
        return row == column
