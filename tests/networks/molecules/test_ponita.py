"""PONITA: its invariants, its convolution written out, and its symmetries in float64."""

import pytest
import torch
from torch.testing import assert_close

from ldm import distributed
from ldm.networks.molecules.orientations import orientations
from ldm.networks.molecules.ponita import PONITA, cut_off, invariants, lift, read_out
from ldm.networks.molecules.separable import SeparableConvolution

SIZES = torch.tensor([6, 2, 5, 1])
MASK = torch.arange(6) < SIZES[:, None]
SOLIDS = (6, 12, 20)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(seed: int = 1) -> torch.Tensor:
    q = torch.linalg.qr(normal(3, 3, seed=seed))[0]
    return q * q.det()


def rotations_of(grid: torch.Tensor) -> torch.Tensor:
    """Rotations that map the grid to itself, found by where three directions of it may go."""
    triples = grid[torch.cartesian_prod(*[torch.arange(len(grid))] * 3)]
    frame = triples[triples.det().argmax()]
    ends = triples[((triples @ triples.mT - frame @ frame.T).abs() < 1e-9).all((1, 2))]
    q = torch.linalg.solve(frame, ends)  # of rows: x goes to x q
    kept = ((grid @ q) @ grid.T > 1 - 1e-9).any(2).all(1)
    return q[kept & (q.det() > 0)]


def network(orientations_: int = 12, seed: int = 0, **options) -> PONITA:
    torch.manual_seed(seed)
    net = PONITA(4, 2, 1, 2, width=8, depth=2, basis=8, orientations=orientations_, **options)
    net = net.double().eval()
    net.grid.copy_(orientations(orientations_))
    return net


def inputs() -> tuple[torch.Tensor, ...]:
    h, x, v = normal(4, 6, 4), normal(4, 6, 3, seed=1), normal(4, 6, 1, 3, seed=2)
    return h, x, MASK, v


@pytest.mark.parametrize("count", [*SOLIDS, 1, 16])
def test_grids_are_of_unit_vectors_that_are_far_apart(count):
    grid = orientations(count)
    assert grid.shape == (count, 3)
    assert_close(grid.norm(dim=1), torch.ones(count).double())
    apart = torch.acos((grid @ grid.T).clamp(-1, 1)) + 10 * torch.eye(count)
    assert count == 1 or apart.min() > 2.0 / count**0.5


@pytest.mark.parametrize(("count", "group"), [(6, 24), (12, 60), (20, 60)])
def test_those_of_platonic_solids_have_their_rotations_and_second_moment(count, group):
    grid = orientations(count)
    assert len(rotations_of(grid)) == group
    assert_close(grid.T @ grid / count, torch.eye(3).double() / 3)


def test_no_grid_is_refused():
    with pytest.raises(ValueError, match="1 direction or more"):
        orientations(0)


def test_invariants_are_those_of_the_pair_in_any_frame():
    grid, x = orientations(16), normal(2, 5, 3)
    along, across = invariants(x, grid)
    q, move = rotation(), normal(3, seed=4)
    for one, other in zip(invariants(x @ q + move, grid @ q), (along, across), strict=True):
        assert_close(one, other, atol=1e-12, rtol=0)
    square = (x[:, None] - x[:, :, None]).square().sum(-1, keepdim=True)
    assert_close(along**2 + across**2, square.expand_as(along))
    assert_close(along[0, 1, 3], (x[0, 3] - x[0, 1]) @ grid.T)  # of a receiver 1, a sender 3


def test_the_cut_off_has_the_published_values():
    found = cut_off(torch.tensor([0.0, 0.5, 1.0, 3.0]))
    assert found.tolist() == [1.0, 0.85546875, 0.0, 0.0]


@pytest.mark.parametrize("count", SOLIDS)
def test_scalars_come_back_as_they_were_and_vectors_as_a_third(count):
    scalars, vectors, grid = normal(2, 5, 3), normal(2, 5, 4, 3, seed=1), orientations(count)
    found = read_out(lift(scalars, vectors, grid), grid, 3)
    for one, other in zip(found, (scalars, vectors / 3), strict=True):
        assert_close(one, other, atol=1e-12, rtol=0)


def test_the_separable_convolution_is_that_with_the_product_of_its_kernels():
    torch.manual_seed(0)
    conv = SeparableConvolution(5, 4).double()
    torch.nn.init.normal_(conv.bias)
    conv.scale.copy_(torch.tensor([0.25, 1.75]))
    x, basis, fiber = normal(2, 3, 6, 5), normal(2, 3, 3, 6, 4, seed=1), normal(6, 6, 4, seed=2)
    spatial, around = conv.kernel(basis), conv.fiber_kernel(fiber)
    dense = torch.einsum("bijoc,poc->bijpoc", spatial, around) / 6 * 0.25 * 1.75
    expected = torch.einsum("bijpoc,bjoc->bipc", dense, x) + conv.bias
    assert_close(conv(x, basis, fiber), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("count", SOLIDS)
def test_rotations_of_the_grid_turn_the_vectors_and_nothing_else(count):
    net, (h, x, mask, v) = network(count, radius=3.0), inputs()
    scalars, vectors = net(h, x, mask, v)
    assert vectors[mask].norm(dim=-1).min() > 1e-4
    for q in rotations_of(orientations(count))[1:8]:
        same, turned = net(h, x @ q, mask, v @ q)
        assert_close(same, scalars, atol=1e-12, rtol=0)
        assert_close(turned, vectors @ q, atol=1e-12, rtol=0)


def test_outputs_are_the_mean_of_those_after_every_block():
    net, given = network(multiple_readouts=True), inputs()
    alone = network()
    assert len(net.read_out_layers) == len(net.blocks) == 2
    found = []
    for last, layer in enumerate(net.read_out_layers):
        weights = {k: v for k, v in net.state_dict().items() if "read_out" not in k}
        alone.load_state_dict(weights, strict=False)
        alone.read_out_layers[0].load_state_dict(layer.state_dict())
        whole, alone.blocks = alone.blocks, alone.blocks[: last + 1]
        found.append(alone(*given))
        alone.blocks = whole
    for mean, one, other in zip(net(*given), *found, strict=True):
        assert_close(mean, (one + other) / 2, atol=1e-12, rtol=0)


def test_layer_scale_is_a_factor_of_what_every_block_adds():
    h, x, mask, v = inputs()
    scaled, plain, empty = network(layer_scale=0.5), network(), network(layer_scale=0.0)
    for block, half in zip(plain.blocks, scaled.blocks, strict=True):
        block.linear_2.weight.data = 0.5 * half.linear_2.weight.data
        block.linear_2.bias.data = 0.5 * half.linear_2.bias.data
    for one, other in zip(scaled(h, x, mask, v), plain(h, x, mask, v), strict=True):
        assert_close(one, other, atol=1e-12, rtol=0)
    assert_close(empty(h, x, mask, v)[0], empty(h, 2 * x, mask, v)[0])  # none sees another


def test_a_finer_grid_comes_closer_to_turning_with_any_rotation():
    (h, x, mask, v), q = inputs(), rotation()
    errors = []
    for count in (12, 100):
        net = network(count)
        scalars, vectors = net(h, x, mask, v)
        same, turned = net(h, x @ q, mask, v @ q)
        errors.append(((same - scalars).norm() + (turned - vectors @ q).norm()).item())
    assert errors[1] < errors[0] / 4


def test_moves_change_nothing_and_another_order_comes_out_in_that_order():
    net, (h, x, mask, v) = network(16), inputs()
    found = net(h, x, mask, v)
    for one, other in zip(net(h, x + normal(3, seed=5), mask, v), found, strict=True):
        assert_close(one, other, atol=1e-12, rtol=0)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    exchanged = net(h[:, order], x[:, order], mask[:, order], v[:, order])
    for one, other in zip(exchanged, found, strict=True):
        assert_close(one, other[:, order], atol=1e-12, rtol=0)


def test_padding_and_other_sets_have_no_influence():
    net, (h, x, mask, v) = network(16), inputs()
    whole = net(h, x, mask, v)
    assert all(not one[~mask].any() for one in whole)
    for row, size in enumerate(SIZES.tolist()):
        alone = net(*(one[row : row + 1, :size] for one in (h, x, mask, v)))
        for one, other in zip(alone, whole, strict=True):
            assert_close(one[0], other[row, :size], atol=1e-12, rtol=0)


def test_points_beyond_the_radius_have_no_influence():
    net, (h, x, mask, v) = network(16, radius=1.0), inputs()
    x = x.clone()
    x[0, 0] += 100
    far = net(h, x, mask, v)
    without = net(h[:1, 1:], x[:1, 1:], mask[:1, 1:], v[:1, 1:])
    for one, other in zip(without, far, strict=True):
        assert_close(one[0], other[0, 1:], atol=1e-12, rtol=0)


def test_recomputed_activations_give_the_same_gradients():
    gradients = []
    for checkpointing in (False, True):
        net = network(6)
        net.checkpointing = checkpointing
        sum(one.square().sum() for one in net(*inputs())).backward()
        gradients.append([p.grad for p in net.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert_close(one, other)


def entering_and_leaving(net: PONITA) -> list[tuple[float, float]]:
    """Deviations of the features before and after each convolution, without its bias."""
    found = []

    def hook(conv, given, output):
        found.append((given[0].std().item(), (output - conv.bias).std().item()))

    hooks = [block.conv.register_forward_hook(hook) for block in net.blocks]
    net(*full())
    for one in hooks:
        one.remove()
    return found


def full() -> tuple[torch.Tensor, ...]:
    h, x, mask, v = inputs()
    return h, x, torch.ones_like(mask), v


def test_the_first_training_batch_sets_scales_that_keep_the_deviation_of_features():
    net = network(12)
    assert any(abs(a / b - 1) > 0.1 for a, b in entering_and_leaving(net))
    net(*full())
    assert not net.calibrated
    net.train()(*full())
    assert net.calibrated
    for before, after in entering_and_leaving(net):
        assert after == pytest.approx(before, rel=0.01)


def test_scales_are_set_once_and_travel_with_the_weights():
    net = network(12).train()
    net(*inputs())
    kept = {key: value.clone() for key, value in net.state_dict().items()}
    net(inputs()[0] * 9, *inputs()[1:])
    other = network(12, seed=1).train()
    other.load_state_dict(kept)
    other(inputs()[0] * 9, *inputs()[1:])
    for one in (net, other):
        for key, value in one.state_dict().items():
            assert torch.equal(value, kept[key]), key


def test_two_processes_set_the_scales_of_their_batches_together(two_processes):
    whole = network(6).train()
    whole(*inputs())

    def work(rank):
        distributed.join()
        net = network(6).train()
        net(*(one[2 * rank : 2 * rank + 2] for one in inputs()))
        return torch.stack([block.conv.scale for block in net.blocks])

    expected = torch.stack([block.conv.scale for block in whole.blocks])
    for found in two_processes(work):
        assert_close(found, expected)


def test_no_depth_is_refused():
    with pytest.raises(ValueError, match="of 1 or more"):
        PONITA(3, 3, depth=0)
