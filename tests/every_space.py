"""One of every kind of space, and points and vectors on it."""

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch.testing import assert_close

from ldm.spaces import (
    SPD,
    Flat,
    Hyperboloid,
    Lattice,
    PoincareBall,
    PointSet,
    Power,
    Product,
    ProjectiveSpace,
    Rotations,
    Space,
    SpecialUnitary,
    Sphere,
    Torus,
)

MASK = torch.tensor([[True, True, False, True]])
VIEW = PointSet(4, 2, 1).on({"mask": MASK})

SMOOTH = [
    Sphere(1),
    Sphere(2),
    Sphere(7),
    Flat([2, 3]),
    Product([Sphere(2), Flat([3])]),
    Product([Flat([2, 2]), Sphere(1), Power(Sphere(1), 2, [2])]),
    Power(Sphere(2), groups=4, grid=[2, 3]),
    Power(Flat([2, 2]), groups=2, grid=[3]),
    PointSet(3, 3, 2),
    VIEW,
    Power(Product([Sphere(2), Flat([2])]), groups=2, grid=[3]),
    # Within a few units of their origins, beyond which coordinates are too large for absolute
    # tolerances.
    Hyperboloid(3, scale=0.5),
    PoincareBall(2, scale=0.5),
    SPD(3, scale=0.5),
    Power(Product([Hyperboloid(2, scale=0.5), SPD(2, scale=0.5)]), groups=2),
    Torus(3),
    Rotations(),
    SpecialUnitary(2),
    SpecialUnitary(3),
    ProjectiveSpace(3),
    Power(Product([Rotations(), Torus(1)]), groups=2),
]
LATTICE = Lattice([2, 4], levels=5, lowest=-2)
SPACES = [*SMOOTH, LATTICE, LATTICE.on({"mask": MASK}), Power(Lattice([2], 3), 2, [2])]

WITH_HEAT_KERNEL = [space for space in SMOOTH if "SPD" not in repr(space)]

every = pytest.mark.parametrize("space", SPACES, ids=repr)
smooth = pytest.mark.parametrize("space", SMOOTH, ids=repr)
embedded = pytest.mark.parametrize(
    "space",
    [
        space
        for space in SPACES
        # Angles cover their torus; they do not lie in a space around it.
        if not any(name in repr(space) for name in ("Hyperboloid", "SPD", "Torus"))
    ],
    ids=repr,
)
seeds = st.integers(0, 2**31)
COUNT = 16  # of points an example, for the price of one
FEW = 4  # where an example has as many vectors at each
law = settings(max_examples=6, deadline=None)


def points(space: Space, seed: int, n: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [space.random(COUNT, generator, dtype=torch.float64) for _ in range(n)]


def basis(space: Space, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The axes of the frames at points, one after the other, and each point as often.

    Those coordinates that a view ignores have no axes.
    """
    xs = x.repeat_interleave(space.dim, 0)
    axes = space.frame(xs, torch.eye(space.dim, dtype=x.dtype).repeat(len(x), 1))
    own = axes.flatten(1).any(1)
    return xs[own], axes[own]


def directions(space: Space) -> int:
    """The number of directions from each point, also in the view above."""
    return int(torch.as_tensor(space.directions).max())


def products(space: Space, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """At each point, the matrix of inner products of two sets of vectors."""
    n, k = len(x), len(u) // len(x)
    rows, columns = u.repeat_interleave(k, 0), v.view(n, k, *space.shape).repeat_interleave(k, 0)
    columns = columns.reshape(-1, *space.shape)
    return space.inner(x.repeat_interleave(k * k, 0), rows, columns).view(n, k, k)


def ambient(space: Space, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed + 1)
    return torch.randn(COUNT, *space.shape, generator=generator, dtype=torch.float64)


def up_to(largest: float) -> torch.Tensor:
    """A number for each point, from none to the largest."""
    return largest * torch.linspace(0, 1, COUNT, dtype=torch.float64)


def rows(scale: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return scale.view(-1, *[1] * (v.ndim - 1)) * v


def close(a: torch.Tensor, b: torch.Tensor, atol: float = 1e-11) -> None:
    assert_close(a, b, atol=atol, rtol=1e-11)
