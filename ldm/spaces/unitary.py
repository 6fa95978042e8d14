"""Special unitary groups: the links of lattice gauge theory, gates on qubits."""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, normal
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.unitary import UnitaryHeatKernel
from ldm.spaces.matrix_group import MatrixGroup
from ldm.spaces.numerics.eigenangles import log_unitary

__all__ = ["SpecialUnitary"]


class SpecialUnitary(MatrixGroup):
    """SU(n), complex matrices as real tensors `(2, n, n)` of real and imaginary parts; Haar.

    The metric is Frobenius, `Re tr u^H v`, that of the ambient coordinates. A Brownian motion of
    variance s has E[Re tr U] / n = exp(-(n^2 - 1) s / 2n): exp(-4 s / 3) for SU(3). In the metric
    `1/2 Re tr u^H v` of lattice field theory distances are smaller by sqrt(2), variances by 2 and
    volumes by 2^((n^2 - 1) / 2), 16 for SU(3).

    Args:
        n: the size of the matrices.

    Raises:
        ValueError: `n` is less than 2; SU(1) is one point.

    Example: SU(2) is a sphere of radius sqrt(2), from pole to pole as far as this.
        >>> one = torch.stack([torch.eye(2), torch.zeros(2, 2)])[None]
        >>> SpecialUnitary(2).distance(one, -one) / math.pi
        tensor([1.4142])
    """

    def __init__(self, n: int) -> None:
        if n < 2:
            raise ValueError(f"a special unitary group needs matrices of size 2 or more, got {n}")
        super().__init__(_gell_mann(n))
        self.shape = (2, n, n)
        # Macdonald 1980, "The volume of a compact Lie group".
        self.log_volume = (
            0.5 * math.log(n)
            + (n - 1) * (n + 2) / 2 * math.log(2 * math.pi)
            - sum(math.lgamma(k + 1) for k in range(1, n))
        )

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n 2 s s"]:
        precision = torch.promote_types(dtype, torch.float32)
        m = self.matrix(normal((n, *self.shape), generator, device, precision))
        q, r = torch.linalg.qr(m)
        # QR leaves phases to the library; those that make the diagonal of R positive give Haar's
        # law (Mezzadri 2007, "How to generate random matrices from the classical compact groups").
        q = q * torch.sgn(r.diagonal(dim1=-2, dim2=-1)).unsqueeze(-2)
        first = q[..., :1] * torch.linalg.det(q).conj()[:, None, None]
        return self.coordinates(torch.cat([first, q[..., 1:]], -1), dtype)

    def matrix(self, x: Float[Tensor, "n 2 s s"]) -> Tensor:
        return torch.complex(*x.double().unbind(1))

    def coordinates(self, m: Tensor, dtype: torch.dtype) -> Float[Tensor, "n 2 s s"]:
        return torch.stack([m.real, m.imag], 1).to(dtype)

    def algebra_exp(self, a: Tensor) -> Tensor:
        return torch.linalg.matrix_exp(a)

    def algebra_log(self, difference: Tensor) -> Tensor:
        return log_unitary(difference)

    def nearest(self, m: Tensor) -> Tensor:
        """The polar factor, turned by phases of sum minus its determinant's.

        The sum of s_k cos(phase_k) over singular values s_k is to be largest: then all
        s_k sin(phase_k) are one number, and only the smallest value's phase may pass a right angle.
        """
        u, s, vh = torch.linalg.svd(m)
        total = -torch.linalg.det(u @ vh).angle()
        low, high = torch.zeros_like(total), torch.full_like(total, math.pi)
        right = _phases(s, high / 2).sum(-1)  # on either side of it the sum has one solution
        low = torch.where(right < total.abs(), high / 2, low)
        high = torch.where(right < total.abs(), high, high / 2)
        for _ in range(-math.frexp(torch.finfo(s.dtype).eps)[1] + 4):  # bisection, a bit a step
            middle = (low + high) / 2
            short = _phases(s, middle).sum(-1) < total.abs()
            low, high = torch.where(short, middle, low), torch.where(short, high, middle)
        phases = _phases(s, (low + high) / 2) * total.sign().unsqueeze(-1)
        return (u * torch.polar(torch.ones_like(s), phases).unsqueeze(-2)) @ vh

    def log_exp_jacobian(
        self, x: Float[Tensor, "n 2 s s"], v: Float[Tensor, "n 2 s s"]
    ) -> Float[Tensor, " n"]:
        """`2 log |sin(r/2) / (r/2)|` summed over differences r of the eigen-angles of `x^H v`."""
        angles = torch.linalg.eigvalsh(-1j * self.left(x, v))
        i, j = torch.triu_indices(self.size, self.size, 1, device=x.device)
        half = (angles[:, i] - angles[:, j]) / 2
        return (2 * torch.sinc(half / math.pi).abs().log()).sum(1).to(x.dtype)

    @property
    def heat_kernel(self) -> HeatKernel:
        """The heat kernel of SU(2) or SU(3).

        Raises:
            ValueError: the group is larger.
        """
        return UnitaryHeatKernel(self) if self.size <= 3 else super().heat_kernel

    def __repr__(self) -> str:
        return f"SpecialUnitary({self.size})"


def _phases(s: Tensor, last: Tensor) -> Tensor:
    """All phases, in the order of descending singular values, where the smallest one's is given."""
    ratio = s[..., -1:] / s[..., :-1].clamp(min=torch.finfo(s.dtype).tiny)
    rest = torch.asin(ratio.clamp(max=1) * last.sin().unsqueeze(-1))
    return torch.cat([rest, last.unsqueeze(-1)], -1)


def _gell_mann(n: int) -> Tensor:
    """An orthonormal basis of the traceless skew-Hermitian matrices, `(n^2 - 1, n, n)`.

    On the CPU, also where models are built without data.
    """
    basis, kind = [], {"dtype": torch.complex128, "device": "cpu"}
    for i, j in itertools.combinations(range(n), 2):
        for value in (1, 1j):
            m = torch.zeros(n, n, **kind)
            m[i, j], m[j, i] = value, -complex(value).conjugate()
            basis.append(m / math.sqrt(2))
    for k in range(1, n):
        diagonal = torch.zeros(n, **kind)
        diagonal[:k], diagonal[k] = 1j, -1j * k
        basis.append(torch.diag(diagonal) / math.sqrt(k * (k + 1)))
    return torch.stack(basis)
