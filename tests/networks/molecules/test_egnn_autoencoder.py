"""GeoLDM's encoder and decoder: symmetries, and what is theirs at the start."""

import pytest
import torch
from torch.testing import assert_close

from ldm.networks.molecules.egnn_autoencoder import EGNNDecoder, EGNNEncoder
from ldm.spaces import PointSet

MASK = torch.arange(6) < torch.tensor([6, 2, 5, 1])[:, None]
SHAPES = {"shape": [6, 7], "latent_shape": [6, 5], "width": 16, "property_shape": [1]}


def network(kind, **options):
    torch.manual_seed(0)
    net = kind(**SHAPES, **options)
    for block in net.egnn.blocks:
        torch.nn.init.xavier_uniform_(block.coord_mlp[-1].weight, gain=0.1)
    return net.double()


@pytest.mark.parametrize(("kind", "into"), [(EGNNEncoder, 4), (EGNNDecoder, 2)])
def test_it_turns_with_the_positions_and_ignores_moves_order_and_padding(kind, into):
    net, out = network(kind), PointSet(6, 3, 2 if kind is EGNNEncoder else 4)
    generator = torch.Generator().manual_seed(0)
    x = PointSet(6, 3, into).on({"mask": MASK}).random(4, generator, dtype=torch.float64)
    told = torch.randn(4, 1, generator=generator, dtype=torch.float64)
    found = net(x, MASK, told)
    out.on({"mask": MASK}).check(found)
    q = torch.linalg.qr(torch.randn(3, 3, generator=generator).double())[0]
    turn = [torch.block_diag(q, torch.eye(n).double()) for n in (into, out.invariant)]
    assert_close(net(x @ turn[0], MASK, told), found @ turn[1], atol=1e-12, rtol=0)
    order = torch.randperm(6, generator=generator)
    assert_close(net(x[:, order], MASK[:, order], told), found[:, order], atol=1e-12, rtol=0)
    junk = torch.where(MASK[..., None], x + torch.tensor([1.0, 2, 3] + [0] * into), 50.0)
    assert_close(net(junk, MASK, told), found, atol=1e-12, rtol=0)


def test_at_the_start_positions_are_nearly_those_of_the_atoms():
    torch.manual_seed(0)
    x = PointSet(6, 3, 4).random(3, torch.Generator().manual_seed(1))
    latent = EGNNEncoder([6, 7], [6, 4], width=64)(x)
    assert_close(latent[..., :3], x[..., :3], atol=0.1, rtol=0)
    back = EGNNDecoder([6, 7], [6, 4], width=64, depth=2)(latent)
    assert_close(back[..., :3], x[..., :3], atol=0.2, rtol=0)
