"""The regressor of properties against its formula, and its symmetries in float64."""

import pytest
import torch
from torch.testing import assert_close

from benchmarks.egnn import batch
from ldm.networks.molecules.egnn_regressor import EGNNRegressor

SIZES = torch.tensor([7, 3, 6, 1])


@pytest.fixture
def network() -> EGNNRegressor:
    torch.manual_seed(0)
    return EGNNRegressor(4, width=16, depth=3).double()


@pytest.fixture
def molecules():
    h, x, mask = batch(SIZES, 7, 4)
    return h.double(), x.double(), mask


def test_it_equals_its_formula_point_by_point(network, molecules):
    h, x, mask = molecules
    expected = []
    for row, size in enumerate(SIZES.tolist()):
        points = [network.embedding(one) for one in h[row, :size]]
        for block in network.blocks:
            received = [torch.zeros(16).double() for _ in points]
            for i in range(size):
                for j in set(range(size)) - {i}:
                    square = (x[row, i] - x[row, j]).square().sum().view(1)
                    message = block.edge_mlp(torch.cat([points[i], points[j], square]))
                    received[i] = received[i] + block.att_mlp(message) * message
            pairs = zip(points, received, strict=True)
            points = [p + block.node_mlp(torch.cat([p, m])) for p, m in pairs]
        expected.append(network.graph_mlp(sum(network.node_mlp(p) for p in points)))
    assert_close(network(h, x, mask), torch.cat(expected), atol=1e-12, rtol=0)


def test_frames_orders_and_padding_have_no_influence(network, molecules):
    h, x, mask = molecules
    found = network(h, x, mask)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    assert_close(network(h, x @ turn + 5, mask), found, atol=1e-12, rtol=0)
    order = torch.randperm(7)
    swapped = network(h[:, order], x[:, order], mask[:, order])
    assert_close(swapped, found, atol=1e-12, rtol=0)
    places = mask[..., None]
    junk = network(torch.where(places, h, 100.0), torch.where(places, x, 100.0), mask)
    assert_close(junk, found, atol=1e-12, rtol=0)


def test_no_depth_is_refused():
    with pytest.raises(ValueError, match="width and depth must be 1 or more, got 128 and 0"):
        EGNNRegressor(5, depth=0)
