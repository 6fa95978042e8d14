"""The EGNN against a plain one on lists of edges, and its symmetries in float64."""

import pytest
import torch
from torch.testing import assert_close

from benchmarks.egnn import EdgeListEGNN, batch
from ldm.networks.molecules.by_size import by_size
from ldm.networks.molecules.egnn import EGNN

SIZES = torch.tensor([7, 3, 6, 1])


def network(dtype=torch.float64, seed: int = 0, waves: int = 0) -> EGNN:
    torch.manual_seed(seed)
    net = EGNN(4, 3, width=32, depth=3, waves=waves)
    for block in net.blocks:  # whose moves are a thousandth at the start
        torch.nn.init.xavier_uniform_(block.coord_mlp[-1].weight, gain=0.1)
    return net.to(dtype)


def molecules(dtype=torch.float64, places: int = 7):
    h, x, mask = batch(SIZES, places, 4)
    return h.to(dtype), x.to(dtype), mask


def rotation() -> torch.Tensor:
    q = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())[0]
    return q  # a rotation or a reflection


def test_it_equals_the_plain_formulation_on_lists_of_edges():
    torch.manual_seed(0)
    net = EGNN(7, 7, width=64, depth=9)
    h, x, mask = batch(torch.tensor([19, 9, 17, 21]), 29, 7)
    plain = EdgeListEGNN(net)
    found, expected = net(h, x, mask), plain(h, x, mask)
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-5)
    gradients = []
    for features, moved in (found, expected):
        net.zero_grad()
        (features.square().mean() + (moved - x).square().mean()).backward()
        gradients.append([p.grad.clone() for p in net.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("waves", [0, 4])
def test_rotations_reflections_and_moves_act_on_the_positions_alone(waves):
    net, (h, x, mask) = network(waves=waves), molecules()
    features, positions = net(h, x, mask)
    turned = (x @ rotation() + torch.tensor([1.0, -2.0, 3.0])) * mask[..., None]
    same, moved = net(h, turned, mask)
    assert (moved - positions).abs().max() > 0.1
    assert_close(same, features, atol=1e-12, rtol=0)
    expected = (positions @ rotation() + torch.tensor([1.0, -2.0, 3.0])) * mask[..., None]
    assert_close(moved, expected, atol=1e-12, rtol=0)


def test_points_in_another_order_come_out_in_that_order():
    net, (h, x, mask) = network(), molecules()
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    found = net(h[:, order], x[:, order], mask[:, order])
    for one, other in zip(found, net(h, x, mask), strict=True):
        assert_close(one, other[:, order], atol=1e-12, rtol=0)


def test_padding_and_other_molecules_have_no_influence():
    net, (h, x, mask) = network(), molecules()
    whole = net(h, x, mask)
    assert all(not one[~mask].any() for one in whole)
    junk = torch.where(mask[..., None], x, 100.0), torch.where(mask[..., None], h, 100.0)
    for one, other in zip(net(junk[1], junk[0], mask), whole, strict=True):
        assert_close(one, other, atol=1e-12, rtol=0)
    for row, size in enumerate(SIZES.tolist()):
        alone = net(h[row : row + 1, :size], x[row : row + 1, :size], mask[row : row + 1, :size])
        for one, other in zip(alone, whole, strict=True):
            assert_close(one[0], other[row, :size], atol=1e-12, rtol=0)


def test_recomputed_activations_give_the_same_gradients():
    gradients = []
    for checkpointing in (False, True):
        net, (h, x, mask) = network(), molecules()
        net.checkpointing = checkpointing
        sum(one.square().sum() for one in net(h, x, mask)).backward()
        gradients.append([p.grad for p in net.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert_close(one, other)


def test_forward_derivatives_pass_through_as_likelihoods_need():
    net, (h, x, mask) = network(), molecules()
    v = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    v = v * mask[..., None]
    found = torch.func.jvp(lambda x: net(h, x, mask)[1], (x,), (v,))[1]
    step = 1e-6
    expected = (net(h, x + step * v, mask)[1] - net(h, x - step * v, mask)[1]) / (2 * step)
    assert_close(found, expected, atol=1e-7, rtol=1e-7)


def test_parts_hold_each_row_once_and_all_of_its_points():
    mask = torch.rand(50, 30, generator=torch.Generator().manual_seed(0)) < torch.rand(50, 1)
    mask[0] = False
    parts = by_size(mask)
    assert sorted(torch.cat([rows for rows, _ in parts]).tolist()) == list(range(50))
    assert not any(mask[rows, places:].any() for rows, places in parts)
    assert [places for _, places in parts] == sorted({p for _, p in parts}, reverse=True)
    assert by_size(mask.to("meta")) == [(slice(None), 30)]


def test_no_depth_is_refused():
    with pytest.raises(ValueError, match="depth of 1 or more"):
        EGNN(3, 3, depth=0)
