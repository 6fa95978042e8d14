"""Symmetric positive definite matrices: covariances, diffusion tensors, connectivity."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import cholesky, eigvalsh, solve_triangular, svdvals

from ldm.randomness import Generators, normal
from ldm.spaces.numerics.sinhc import log_sinhc_of_root
from ldm.spaces.numerics.symmetric import (
    of_eigenvalues,
    symmetric_clamp,
    symmetric_exp,
    symmetric_log,
    symmetric_sqrt,
)
from ldm.spaces.space import Space

__all__ = ["SPD"]


class SPD(Space):
    """Positive definite n by n matrices with the affine-invariant metric `tr(P^-1 U P^-1 V)`.

    A point is the vector of its upper triangle, row by row, so every vector of that shape is
    tangent. Maps `P -> A P A^T` are isometries; with Cholesky's factor of the point for A, each law
    is its form at the identity (Pennec, Fillard, Ayache 2006, "A Riemannian framework for tensor
    computing"). Everything is computed in float64, whatever the points are held in.

    The reference measure is the wrapped normal: exp of a normal tangent vector at the identity.

    Args:
        n: rows of a matrix.
        scale: standard deviation of the reference measure in each unit tangent direction.

    Raises:
        ValueError: `n` is less than 1 or `scale` is not positive.

    Example: the distance of 1 and e^2 is the ratio's logarithm.
        >>> SPD(1).distance(torch.tensor([[1.0]]), torch.tensor([[2.0]]).exp())
        tensor([2.])
    """

    def __init__(self, n: int, scale: float = 1.0) -> None:
        if n < 1 or not scale > 0:
            raise ValueError(
                f"positive definite matrices need 1 row or more and a scale above 0, "
                f"got {n} and {scale}"
            )
        self.n, self.scale = n, scale
        self.dim = n * (n + 1) // 2
        self.shape = (self.dim,)

    def matrix(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch n n"]:
        """The symmetric matrices of given upper triangles."""
        k = torch.arange(self.n, device=x.device)
        row, column = torch.minimum(k, k.unsqueeze(-1)), torch.maximum(k, k.unsqueeze(-1))
        return x[..., row * (2 * self.n - row - 1) // 2 + column]

    def triangle(self, matrix: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch dim"]:
        """The upper triangles of matrices, row by row."""
        row, column = torch.triu_indices(self.n, self.n, device=matrix.device)
        return matrix[..., row, column]

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        c = self.scale * normal((n, self.dim), generator, device, dtype)
        return self._point(symmetric_exp(self._symmetric(c)), dtype)

    def project(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The nearest matrix, in Frobenius norm, that stays positive definite when rounded.

        Eigenvalues are raised to n machine epsilons of the largest.
        """
        return self._point(self.matrix(x.double()), x.dtype)

    def check(self, x: Float[Tensor, "n ..."]) -> None:
        super().check(x)
        values = eigvalsh(self.matrix(x.double()))
        least = self.n * torch.finfo(x.dtype).eps / 4  # a little below that of `project`
        if (values[:, 0] <= least * values[:, -1]).any():
            raise ValueError(
                f"points of {self} must be positive definite: add a little of the identity to each"
            )

    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return v

    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        root = self._root(x)
        return self._point(_moved(root, symmetric_exp(self._at_identity(root, v))), x.dtype)

    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The shortest tangent vector; NaN where `X^-1 Y` is too badly conditioned, near 1e16.

        Rounding grows as that condition number. Two points of 1e9 on different axes come as near:
        bring them closer to the identity.
        """
        root = self._root(x)
        to = symmetric_log(self._at_identity(root, y))
        return self.triangle(_moved(root, to)).to(x.dtype)

    def inner(
        self, x: Float[Tensor, "n ..."], u: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        root = self._root(x)
        product = self._at_identity(root, u) * self._at_identity(root, v)
        return product.sum((-2, -1)).to(x.dtype)

    def transport(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """`E V E^T` with `E = (Y X^-1)^(1/2)`."""
        root = self._root(x)
        half = root @ symmetric_sqrt(self._at_identity(root, y))
        return self.triangle(_moved(half, self._at_identity(root, v))).to(x.dtype)

    def frame(self, x: Float[Tensor, "n ..."], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n ..."]:
        """`L S L^T` for Cholesky's L; S has diagonal `c_ii` and `c_ij / sqrt(2)` off it."""
        return self.triangle(_moved(self._root(x), self._symmetric(c))).to(x.dtype)

    def gradient(
        self, x: Float[Tensor, "n ..."], euclidean: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """`P G P`, G symmetric with half of each derivative on either side of the diagonal."""
        g = self.matrix(euclidean.double())
        g = (g + torch.diag_embed(g.diagonal(dim1=-2, dim2=-1))) / 2
        return self.triangle(_moved(self.matrix(x.double()), g)).to(x.dtype)

    def log_volume_element(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """`-(n + 1) / 2 log det P`, and `log 2 / 2` for each pair off the diagonal."""
        log_det = 2 * self._root(x).diagonal(dim1=-2, dim2=-1).log().sum(-1)
        pairs = self.dim - self.n
        return (-0.5 * (self.n + 1) * log_det + 0.5 * pairs * math.log(2)).to(x.dtype)

    def log_exp_jacobian(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        """Sum of `log(sinh h / h)` over the half differences h of the eigenvalues of `P^-1 V`."""
        return of_eigenvalues(self._at_identity(self._root(x), v), self._log_jacobian).to(x.dtype)

    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Root of the sum of squared logarithms of the eigenvalues of `X^-1 Y`.

        They are squares of the singular values of a quotient of Cholesky's factors. So rounding in
        logarithms grows as the root of the product of both condition numbers, which is what
        rounding of the points brings in any case: 1e-7 for two of 1e9, whatever their axes.
        """
        quotient = solve_triangular(self._root(x), self._root(y), upper=False)
        return (2 * svdvals(quotient).log()).norm(dim=-1).to(x.dtype)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density of the wrapped normal at the identity."""
        constant = self.dim * math.log(self.scale * math.sqrt(2 * math.pi))
        return (of_eigenvalues(self.matrix(x.double()), self._potential) - constant).to(x.dtype)

    def _root(self, x: Tensor) -> Tensor:
        return cholesky(self.matrix(x.double()))

    def _at_identity(self, root: Tensor, v: Tensor) -> Tensor:
        """`L^-1 V L^-T`: the isometry that takes the point `L L^T` to the identity."""
        half = solve_triangular(root, self.matrix(v.double()), upper=False)
        moved = solve_triangular(root, half.mT, upper=False)
        return (moved + moved.mT) / 2

    def _potential(self, eigenvalues: Tensor) -> Tensor:
        logs = eigenvalues.log()
        return -0.5 * (logs / self.scale).square().sum(-1) - self._log_jacobian(logs)

    def _log_jacobian(self, values: Tensor) -> Tensor:
        row, column = torch.triu_indices(self.n, self.n, 1, device=values.device)
        return log_sinhc_of_root((values[..., row] - values[..., column]).square() / 4).sum(-1)

    def _symmetric(self, c: Tensor) -> Tensor:
        matrix = self.matrix(c.double()) / math.sqrt(2)
        return matrix + (math.sqrt(2) - 1) * torch.diag_embed(matrix.diagonal(dim1=-2, dim2=-1))

    def _point(self, matrix: Tensor, dtype: torch.dtype) -> Tensor:
        return self.triangle(symmetric_clamp(matrix, self.n * torch.finfo(dtype).eps)).to(dtype)

    def __repr__(self) -> str:
        return f"SPD({self.n}, scale={self.scale})"


def _moved(a: Tensor, matrix: Tensor) -> Tensor:
    """`A M A^T`."""
    return a @ matrix @ a.mT
