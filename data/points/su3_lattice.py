"""Lattices of SU(3) matrices with a Wilson action, simulated by Langevin dynamics."""

import json
import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Complex, Float, Float32
from rich.progress import track
from torch import Tensor

from data.drawing import histogram
from data.files.cache import cached, content_key
from data.files.roots import cache_folder
from data.points.base import SplitPoints
from data.values import check_positive, check_seed

__all__ = ["SU3Lattice", "plaquettes", "simulate"]

PROJECT_EVERY = 100  # steps between projections to the group, which remove rounding errors


class SU3Lattice(SplitPoints):
    """One SU(3) matrix per site with density exp(beta / 3 sum Re tr P), as in Lou et al. (2023).

    P is the product of a site's neighbours to the east, north, west and south, the last two
    inverted; the lattice is periodic. Points are `(2, 3, 3, size, size)`, real and imaginary parts
    first. They are simulated on first use, which takes about twenty minutes on one core, and
    cached.

    Args:
        beta: coupling.
        size: sites per side of the lattice.
        chains: number of simulated chains, which give one point each.
        steps: number of Langevin steps per chain.
        step: step size, in variance per unit tangent direction.
        seed: seed of the sample order.
        workers: number of data loading processes.
        split: convention for the sizes of train, val and test, see `split_sizes`.
        split_seed: seed of the random split.
        data_seed: seed of the simulation.

    Raises:
        DataError: a number that must be positive is not.
    """

    def __init__(
        self,
        beta: float = 9.0,
        size: int = 2,
        chains: int = 20_000,
        steps: int = 4000,
        step: float = 1e-3,
        seed: int = 0,
        workers: int = 0,
        split: str = "rsgm",
        split_seed: int = 0,
        data_seed: int = 0,
    ) -> None:
        super().__init__(seed, workers, split, split_seed)
        self.made_by = {"beta": beta, "size": size, "chains": chains, "steps": steps, "step": step}
        check_positive(**self.made_by)
        check_seed(data_seed=data_seed)
        self.beta, self.size, self.data_seed = beta, size, data_seed
        self.name = f"SU(3) {size}x{size}, beta {beta:g}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one point: `(2, 3, 3, size, size)`."""
        return (2, 3, 3, self.size, self.size)

    @property
    def file(self) -> Path:
        """Cache file of the simulated points."""
        made_by = json.dumps({**self.made_by, "data_seed": self.data_seed}, sort_keys=True)
        return cache_folder() / "su3_lattice" / f"{content_key(made_by)}.npy"

    def prepare_data(self) -> None:
        """Simulate the points if they are not in the cache."""
        self.read()

    def read(self) -> Float32[Tensor, "n 2 3 3 size size"]:
        return torch.from_numpy(cached(self.file, self._simulate, np.load))

    def _simulate(self, path: Path) -> None:
        generator = torch.Generator().manual_seed(self.data_seed)
        points = to_coordinates(simulate(**self.made_by, generator=generator))
        np.save(path, points.numpy())

    def action(self, x: Float[Tensor, "n 2 3 3 size size"]) -> Float[Tensor, " n"]:
        """Compute S = -beta / 3 sum Re tr P: minus the log density up to a constant, nats."""
        return -self.beta * self.mean_plaquette(x) * self.size**2

    def mean_plaquette(self, x: Float[Tensor, "n 2 3 3 size size"]) -> Float[Tensor, " n"]:
        """Average Re tr P / 3 over sites; it is 1 if all matrices are equal."""
        return plaquettes(to_matrices(x)).mean((1, 2)) / 3

    def drawing(
        self,
        data: Float[Tensor, "n 2 3 3 size size"],
        samples: Float[Tensor, "m 2 3 3 size size"],
    ) -> Float[Tensor, "3 h w"]:
        each = (self.mean_plaquette(x) for x in (data, samples))
        return histogram(*each, name="mean plaquette, Re tr P / 3")


def plaquettes(u: Complex[Tensor, "n size size 3 3"]) -> Float[Tensor, "n size size"]:
    """Compute Re tr P at every site, P = E N W^H S^H."""
    east, north, west, south = _neighbours(u)
    return ((south @ west).conj() * (east @ north)).sum((-2, -1)).real


def _neighbours(u: Complex[Tensor, "n size size 3 3"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return u.roll(-1, 2), u.roll(1, 1), u.roll(1, 2), u.roll(-1, 1)


def simulate(
    beta: float,
    size: int,
    chains: int,
    steps: int,
    step: float,
    generator: torch.Generator | None = None,
) -> Complex[Tensor, "chains size size 3 3"]:
    """Run unadjusted Langevin dynamics from uniform matrices: dU = U (1/2 grad log p dt + dB).

    The Brownian motion has unit variance in each orthonormal direction of the Frobenius metric,
    which matches the factor 1/2 of the drift. (Complex normals of unit variance have only half of
    it in each real direction; such noise would effectively double beta.)

    Args:
        beta: coupling.
        size: sites per side of the lattice.
        chains: number of independent chains.
        steps: number of steps per chain.
        step: step size; the bias is of first order in it.
        generator: random generator of the start and the noise.
    """
    shape = (chains, size, size, 3, 3)
    u = nearest(_normal(shape, generator))
    for number in track(range(1, steps + 1), "SU(3) lattice", transient=True):
        noise = to_algebra(_normal(shape, generator))
        move = step * beta / 6 * _gradient(u) + math.sqrt(step) * noise
        u = u @ _exp(move)
        if number % PROJECT_EVERY == 0 or number == steps:
            u = nearest(u)
    return u


def _gradient(u: Complex[Tensor, "n size size 3 3"]) -> Complex[Tensor, "n size size 3 3"]:
    """Compute the gradient of the sum of `plaquettes`, as an element of the Lie algebra."""
    east, north, west, south = _neighbours(u)
    out, back = east @ north, south @ west
    # Ambient gradients in the four neighbours of each site, shifted to the neighbours' sites.
    ambient = (back @ north.mH).roll(1, 2) + (east.mH @ back).roll(-1, 1)
    ambient += (south.mH @ out).roll(-1, 2) + (out @ west.mH).roll(1, 1)
    return to_algebra(u.mH @ ambient)


def _exp(a: Complex[Tensor, "*n 3 3"]) -> Complex[Tensor, "*n 3 3"]:
    """Compute exp to fourth order, exact to single precision for the small steps of a chain."""
    one = torch.eye(3, dtype=a.dtype)
    series = one + a / 4
    for order in (3, 2, 1):
        series = one + a @ series / order
    return series


def to_algebra(a: Complex[Tensor, "*n 3 3"]) -> Complex[Tensor, "*n 3 3"]:
    """Project orthogonally to traceless anti-Hermitian matrices."""
    a = (a - a.mH) / 2
    trace = a.diagonal(dim1=-2, dim2=-1).mean(-1)
    return a - trace[..., None, None] * torch.eye(3, dtype=a.dtype)


def nearest(a: Complex[Tensor, "*n 3 3"]) -> Complex[Tensor, "*n 3 3"]:
    """Find nearest unitary matrices, with phase for determinant 1; normal ones become uniform."""
    left, _, right = torch.linalg.svd(a)
    u = left @ right
    # Of the three cube roots use the one nearest to 1, which leaves SU(3) unchanged.
    phase = torch.linalg.det(u).angle() / 3
    return u * torch.polar(torch.ones_like(phase), -phase)[..., None, None]


def _normal(shape: tuple[int, ...], generator: torch.Generator | None) -> Complex[Tensor, "..."]:
    """Draw complex normals with unit variance in both the real and the imaginary part."""
    return torch.view_as_complex(torch.randn(*shape, 2, generator=generator))


def to_coordinates(u: Complex[Tensor, "n size size 3 3"]) -> Float[Tensor, "n 2 3 3 size size"]:
    """Split into real and imaginary parts, sites last."""
    return torch.view_as_real(u).permute(0, 5, 3, 4, 1, 2).contiguous()


def to_matrices(x: Float[Tensor, "n 2 3 3 size size"]) -> Complex[Tensor, "n size size 3 3"]:
    """Invert `to_coordinates`."""
    return torch.view_as_complex(x.permute(0, 4, 5, 2, 3, 1).contiguous())
