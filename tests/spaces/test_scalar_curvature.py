"""Scalar curvature against closed forms, and against what defines it: the volume of small balls."""

import pytest
import torch

from ldm.spaces import Flat, Lattice, Power, Product, Sphere
from ldm.spaces.projective import ProjectiveSpace
from ldm.spaces.rotations import Rotations
from ldm.spaces.torus import Torus
from ldm.spaces.unitary import SpecialUnitary

CURVATURES = [
    (Flat([4, 2]), 0),
    (Torus(3), 0),
    (Sphere(1), 0),
    (Sphere(2), 2),
    (Sphere(5), 20),
    (ProjectiveSpace(3), 6),
    (Rotations(), 6 / 2**2),  # RP^3 of radius 2
    (SpecialUnitary(2), 6 / 2),  # S^3 of radius sqrt(2)
    (Power(Sphere(2), groups=3, grid=[2, 2]), 24),
    (Product([Sphere(3), Flat([2]), Rotations()]), 7.5),
]


@pytest.mark.parametrize(("space", "expected"), CURVATURES, ids=repr)
def test_closed_forms(space, expected):
    x = space.random(4, torch.Generator().manual_seed(0))
    torch.testing.assert_close(space.scalar_curvature(x), torch.full((4,), float(expected)))


@pytest.mark.parametrize("space", [Sphere(4), ProjectiveSpace(3), Rotations()], ids=repr)
def test_small_spheres_lose_area_as_it_says(space):
    # The mean over directions of the Jacobian of exp is 1 - Sc r^2 / (6 d) + O(r^4).
    x = space.random(4000, torch.Generator().manual_seed(1), dtype=torch.float64)
    c = torch.randn(len(x), space.dim, generator=torch.Generator().manual_seed(2)).double()
    r = 1e-2
    v = space.frame(x, r * c / c.norm(dim=1, keepdim=True))
    loss = 6 * space.dim / r**2 * -torch.expm1(space.log_exp_jacobian(x, v)).mean()
    torch.testing.assert_close(loss, space.scalar_curvature(x)[0], rtol=1e-3, atol=0)


def test_a_space_that_does_not_know_says_so():
    lattice = Lattice([2], levels=5)
    with pytest.raises(ValueError, match=r"scalar curvature of Lattice.* is not known"):
        lattice.scalar_curvature(lattice.random(1))
