"""Alignment of noise with point sets: exact matches are found, costs fall, and the law stays."""

from itertools import permutations

import pytest
import torch
from torch.testing import assert_close

from ldm.objectives import Alignment, Regression
from ldm.objectives.alignment import best_order, best_rotation
from ldm.processes import LinearFlow
from ldm.spaces import Flat, PointSet

MASK = torch.arange(5) < torch.tensor([5, 3, 1, 0])[:, None]
SPACE = PointSet(5, 3, 2).on({"mask": MASK})


def drawn(seed: int, space: PointSet = SPACE, n: int = 4) -> torch.Tensor:
    return space.random(n, torch.Generator().manual_seed(seed), dtype=torch.float64)


def turns(n: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    q = torch.linalg.qr(torch.randn(n, 3, 3, generator=generator, dtype=torch.float64))[0]
    return q * q.det()[:, None, None]


def test_the_order_is_the_best_of_all():
    x, y = drawn(0)[..., :3], drawn(1)[..., :3]
    order = best_order(x, y, MASK)
    assert order[3].tolist() == list(range(5))
    for row, size in enumerate(MASK.sum(1).tolist()[:3]):
        every = torch.tensor(list(permutations(range(size)))).long().view(-1, size)
        costs = (x[row, :size] - y[row][every]).square().sum((1, 2))
        found = order[row].tolist()
        assert found[size:] == list(range(size, 5))
        assert found[:size] == every[costs.argmin()].tolist()


def test_a_rotation_is_found_again_and_a_reflection_is_none():
    x, q = drawn(0)[..., :3], turns(4)
    found = best_rotation(x @ q, x)
    assert_close(x @ found, x @ q, atol=1e-10, rtol=0)
    for other in (found, best_rotation(-x, x)):
        assert_close(other.det(), torch.ones(4).double())
        assert_close(other @ other.mT, torch.eye(3).double().expand(4, 3, 3))


def test_noise_comes_closer_in_the_space_and_its_features_go_with_their_points():
    latent, eps = drawn(0), drawn(1)
    near = Alignment()(SPACE, latent, eps)
    SPACE.check(near)
    before, after = ((one - latent)[..., :3].square().sum((1, 2)) for one in (eps, near))
    assert (after <= before + 1e-12).all()
    assert after[0] < 0.8 * before[0]
    assert_close(near[..., :3].norm(dim=2).sort(1)[0], eps[..., :3].norm(dim=2).sort(1)[0])
    rows = torch.cat([eps[..., :3].norm(dim=2, keepdim=True), eps[..., 3:]], 2)
    back = torch.cat([near[..., :3].norm(dim=2, keepdim=True), near[..., 3:]], 2)
    key = torch.tensor([1.0, 2, 3]).double()
    assert_close((back @ key).sort(1)[0], (rows @ key).sort(1)[0])


def test_noise_of_data_without_a_frame_keeps_its_law():
    n, space = 4000, PointSet(4)
    shape = torch.tensor([[3.0, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]]).double()
    generator = torch.Generator().manual_seed(3)
    orders = torch.rand(n, 4, generator=generator).argsort(1)
    latent = shape[orders] @ turns(n, 1)
    near = Alignment()(space, latent, drawn(2, space, n))
    between = torch.einsum("npi,nqj->piqj", near, near) / n
    expected = torch.einsum("pq,ij->piqj", torch.eye(4) - 0.25, torch.eye(3)).double()
    assert_close(between, expected, atol=0.07, rtol=0)  # standard error about 0.013
    assert near.mean(0).abs().max() < 0.06


def test_regression_is_given_the_aligned_noise():
    latent, seen = drawn(0), []

    def predict(noisy, t, **condition):
        seen.append((noisy, t))
        return torch.zeros_like(noisy)

    process = LinearFlow(SPACE)
    objective = Regression("velocity", coupling=Alignment())
    loss = objective.loss(predict, process, latent, {}, torch.Generator().manual_seed(0))
    [(noisy, t)], own = seen, torch.Generator().manual_seed(0)
    assert torch.equal(process.random_times(4, own, None), t)
    eps = Alignment()(SPACE, latent, SPACE.random(4, own, dtype=torch.float64))
    assert_close(noisy, process.mix(latent, eps, t))
    assert_close(loss[:3], ((latent - eps).square().sum((1, 2)) / SPACE.entries)[:3])


def test_other_spaces_are_refused():
    with pytest.raises(ValueError, match="only point sets in space"):
        Regression("velocity", coupling=Alignment()).check(LinearFlow(Flat([5, 3])))


def test_autocast_does_not_round_the_noise():
    latent, eps = drawn(0).float(), drawn(1).float()
    expected = Alignment()(SPACE, latent, eps)
    with torch.autocast("cpu", torch.bfloat16):
        found = Alignment()(SPACE, latent, eps)
    assert torch.equal(found, expected)
