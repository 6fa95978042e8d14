"""Riemannian Adam: Adam where there is no curvature, means where there is, and safe state."""

import io

import pytest
import torch
from torch.testing import assert_close

from ldm.spaces import SPD, Flat, Hyperboloid, PoincareBall, Power, Space, Sphere
from ldm.training.riemannian_adam import RiemannianAdam


def bowl(x: torch.Tensor) -> torch.Tensor:
    return ((x - 3).square() * torch.arange(1, x.numel() + 1).view_as(x)).sum() + x.sin().sum()


def descend(optimizer, x: torch.Tensor, steps: int = 30) -> torch.Tensor:
    for _ in range(steps):
        optimizer.zero_grad()
        bowl(x).backward()
        optimizer.step()
    return x.detach()


@pytest.mark.parametrize("space", [None, Flat([1])], ids=repr)
@pytest.mark.parametrize("amsgrad", [False, True])
def test_without_a_space_and_on_lines_it_is_adam(space, amsgrad):
    start = torch.randn(7, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    options = {"lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3, "amsgrad": amsgrad}
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    group = {"params": [ours], "space": space}
    ours = descend(RiemannianAdam([group], **options), ours)
    assert_close(ours, descend(torch.optim.Adam([theirs], **options), theirs))


def test_points_have_one_second_moment_each_so_rotations_commute_with_training():
    space = Flat([3])
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    x, y = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start @ turn)
    for p, back in ((x, torch.eye(3).double()), (y, turn.mT)):
        optimizer = RiemannianAdam([{"params": p, "space": space}], lr=0.1)
        for _ in range(20):
            optimizer.zero_grad()
            bowl(p @ back).backward()
            optimizer.step()
        assert optimizer.state[p]["exp_avg_sq"].shape == (4, 1)
    assert_close(x @ turn, y)


MEANS = [
    Sphere(2),
    Hyperboloid(2, scale=0.7),
    PoincareBall(2, scale=0.7),
    SPD(2, scale=0.7),
    Power(Sphere(1), 2),
]


@pytest.mark.parametrize("space", MEANS, ids=repr)
def test_it_finds_frechet_means(space: Space):
    generator = torch.Generator().manual_seed(1)
    centre = space.random(1, generator, dtype=torch.float64).expand(9, *space.shape)
    data = space.exp(centre, 0.4 * space.random_tangent(centre, generator))
    mean = torch.nn.Parameter(space.random(1, generator, dtype=torch.float64))
    group = {"params": mean, "space": space}
    optimizer = RiemannianAdam([group], betas=(0.5, 0.9))
    for step in range(150):
        optimizer.param_groups[0]["lr"] = 0.2 * 0.95**step
        optimizer.zero_grad()
        space.distance(mean.expand(9, *space.shape), data).square().mean().backward()
        optimizer.step()
    mean = mean.detach()
    space.check(mean)
    pull = space.log(mean.expand(9, *space.shape), data).mean(0, keepdim=True)
    assert space.inner(mean, pull, pull).sqrt() < 2e-3  # zero at the mean, and only there


def test_the_first_step_has_the_length_of_the_learning_rate_and_moments_stay_tangent():
    space = Hyperboloid(3)
    start = space.random(5, torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.nn.Parameter(start.clone())
    optimizer = RiemannianAdam([{"params": x, "space": space}], lr=0.01)
    x.square().sum().backward()
    optimizer.step()
    assert_close(
        space.distance(start, x.detach()), torch.full((5,), 0.01).double(), atol=1e-8, rtol=0
    )
    moment = optimizer.state[x]["exp_avg"]
    assert_close(space.tangent(x.detach(), moment), moment)


def test_state_is_plain_data_that_continues_where_it_was():
    def build():
        codes = torch.nn.Parameter(Sphere(2).random(4, torch.Generator().manual_seed(0)))
        weight = torch.nn.Parameter(torch.ones(3))
        groups = [{"params": weight}, {"params": codes, "space": Sphere(2)}]
        return RiemannianAdam(groups, lr=0.1), (weight, codes)

    def train(optimizer, parameters, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            sum(bowl(p) for p in parameters).backward()
            optimizer.step()

    whole, parts = build()
    train(whole, parts, 6)
    first, halves = build()
    train(first, halves, 3)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second, rest = build()
    second.load_state_dict(torch.load(file, weights_only=True))
    for p, saved in zip(rest, halves, strict=True):
        p.data.copy_(saved.data)
    train(second, rest, 3)
    for p, q in zip(parts, rest, strict=True):
        assert torch.equal(p, q)
    codes = torch.nn.Parameter(Sphere(2).random(4))
    other = RiemannianAdam([{"params": torch.nn.Parameter(torch.ones(3))}, {"params": codes}])
    with pytest.raises(ValueError, match=r"spaces \[None, 'Sphere\(2\)'\], here .*\[None, None\]"):
        other.load_state_dict(first.state_dict())


def test_a_closure_is_called_with_gradients_and_its_loss_returned():
    x = torch.nn.Parameter(torch.ones(2))
    optimizer = RiemannianAdam([x], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = bowl(x)
        loss.backward()
        return loss

    before = bowl(x).item()
    assert optimizer.step(closure).item() == before
    assert bowl(x) < before


def test_bad_numbers_and_shapes_are_refused():
    x = torch.nn.Parameter(torch.ones(2, 4))
    with pytest.raises(
        ValueError, match=r"rows of .* on Sphere\(2\) have shape \(3,\), .*\(2, 4\)"
    ):
        RiemannianAdam([{"params": x, "space": Sphere(2)}])
    for bad in ({"lr": -1.0}, {"eps": -1.0}, {"betas": (0.9, 1.0)}):
        with pytest.raises(ValueError, match="lr and eps must be 0 or more"):
            RiemannianAdam([x], **bad)
