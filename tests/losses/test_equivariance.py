"""Deformations, and the equivariance of regions."""

from collections.abc import Callable
from types import SimpleNamespace

import torch

from ldm.losses.equivariance import Deformation, RegionEquivariance, random_deformation
from ldm.networks.videos.lfdm.layers import grid
from ldm.networks.videos.lfdm.regions import Regions, measured


def deformation(n: int = 2) -> Deformation:
    drawn = random_deformation(n, torch.Generator().manual_seed(0), affine=0.3, bends=0.1)
    return Deformation(*(one.double() for one in drawn))


def test_a_deformation_without_noise_is_the_identity():
    at = torch.rand(3, 7, 2) * 2 - 1
    still = random_deformation(3, affine=0.0, bends=0.0)
    assert torch.equal(still(at), at)
    assert torch.equal(still.jacobian(at), torch.eye(2).expand(3, 7, -1, -1))


def test_the_jacobian_is_that_of_automatic_differentiation():
    deform = deformation()
    at = torch.rand(2, 5, 2, dtype=torch.float64) * 2 - 1
    for n in range(5):
        whole = torch.autograd.functional.jacobian(lambda x: deform(x), at[:, n : n + 1])
        found = deform.jacobian(at)[:, n]
        for row in range(2):
            assert torch.allclose(found[row], whole[row, 0, :, row, 0])


def leaning_bells() -> torch.Tensor:
    """Frames that are a bell each, whose axes are not those of the frame."""
    at = grid(96, 96, torch.zeros(()))
    turn = torch.tensor([[0.877, -0.479], [0.479, 0.877]])
    centre = torch.tensor([[0.2, -0.1], [-0.15, 0.1]])
    apart = ((at - centre[:, None, None]) @ turn) / torch.tensor([0.10, 0.18])
    return torch.exp(-apart.square().sum(-1) / 2)[:, None]


def follow(frames: torch.Tensor) -> Regions:
    """Regions that are where frames are bright."""
    return measured(frames / frames.sum((2, 3), keepdim=True))


def stay(frames: torch.Tensor) -> Regions:
    """Regions that are the same in all frames."""
    return follow(leaning_bells())


def term(regions: Callable[[torch.Tensor], Regions], seed: int) -> float:
    tokenizer = SimpleNamespace(encoder=SimpleNamespace(regions=regions))
    target = {"target": 2 * leaning_bells()[:, :, None] - 1}
    generator = torch.Generator().manual_seed(seed)
    return RegionEquivariance()(tokenizer, {}, None, target, 0, generator).item()


def test_regions_that_follow_deformations_cost_less_than_those_that_stay():
    assert sum(term(follow, seed) for seed in range(5)) < 0.6 * sum(
        term(stay, seed) for seed in range(5)
    )
