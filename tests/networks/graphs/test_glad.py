"""GLAD's networks: published sizes, permutations, and what they give."""

import networkx
import pytest
import torch
from torch.testing import assert_close

from data import Communities
from ldm.bottlenecks import ScalarQuantizer
from ldm.networks.graphs.glad import ChannelMLP, GraphDecoder, GraphDrift, GraphEncoder

SMALL = {"nodes": 16, "edges": 8, "graph": 8, "layers": 2, "heads": 2}


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parts_have_the_published_numbers_of_parameters():
    with torch.device("meta"):
        encoder, decoder = GraphEncoder([9, 13], 6), GraphDecoder(6, [9, 13])
        long, short = GraphDrift([6, 9], layers=8), GraphDrift([6, 20], layers=4)
    perceptrons = count(encoder.enc2q) + count(decoder.q2dec)
    assert count(encoder) - count(encoder.enc2q) == 8_268_736
    assert count(decoder) - count(decoder.q2dec) == 4_319_302
    assert perceptrons == 268_766
    assert (count(long), count(short)) == (8_202_950, 4_190_406)


def test_perceptrons_normalise_over_all_places_and_padding_gets_zeros():
    torch.manual_seed(0)
    net, x = ChannelMLP(4, 3).double(), torch.randn(5, 6, 4, dtype=torch.float64)
    mask = (torch.arange(6) < 4).expand(5, 6)
    found = net(x, mask)
    h = net.lin[0](x)
    for norm, layer in zip(net.norm_list, net.lin[1:], strict=True):
        mean, var = h.mean((0, 1)), h.var((0, 1), correction=0)
        h = torch.nn.functional.selu((h - mean) / (var + norm.eps).sqrt())
        h = layer(h * mask[..., None])
    assert_close(found, h * mask[..., None])


@pytest.fixture
def graphs() -> dict:
    return next(iter(Communities(graphs=20).ordered_batches("train", 6)))


def test_codes_and_graphs_follow_a_permutation_of_nodes(graphs, monkeypatch):
    from ldm.networks.graphs import glad

    whole = glad.graph_features

    def unsigned(*given):  # signs of eigenvectors do not follow
        found = whole(*given)
        return found._replace(nodes=found.nodes[..., :4].repeat(1, 1, 2)[..., :6])

    monkeypatch.setattr(glad, "graph_features", unsigned)
    torch.manual_seed(0)
    x, mask, c = graphs["x"], graphs["mask"], 10
    encoder = GraphEncoder([20, 30], 6, **SMALL).eval()
    decoder = GraphDecoder(6, [20, 30], **SMALL).eval()
    order = torch.arange(20)
    order[:12] = torch.randperm(12, generator=torch.Generator().manual_seed(1))  # none has fewer
    turned = x[:, order][:, :, torch.cat([torch.arange(c), c + order])]
    h = encoder(x, mask)
    assert_close(encoder(turned, mask), h[:, :, order], atol=1e-4, rtol=1e-3)
    back, other = decoder(h, mask), decoder(h[:, :, order], mask)
    turned_back = back[:, order][:, :, torch.cat([torch.arange(c), c + order])]
    assert_close(other, turned_back, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("orders", [1, 3])
def test_decoded_graphs_are_soft_symmetric_and_masked(graphs, orders):
    torch.manual_seed(0)
    decoder = GraphDecoder(6, [20, 30], orders=orders, **SMALL)
    latent = ScalarQuantizer([6, 20]).space.random(6, torch.Generator().manual_seed(0))
    x, mask = decoder(latent, graphs["mask"]), graphs["mask"]
    nodes, edges = x[..., :10], x[..., 10:]
    assert_close(nodes.sum(2), mask.float())
    assert_close(edges, edges.mT)
    assert not edges.diagonal(dim1=1, dim2=2).any()
    assert not edges[~mask].any()
    assert 0 <= edges.min() < edges.max() < orders


def test_noise_is_added_to_node_classes_in_training_alone(graphs):
    torch.manual_seed(0)
    x, mask = graphs["x"], graphs["mask"]
    encoder = GraphEncoder([20, 30], 6, noise=0.1, dropout=0.0, **SMALL)
    assert not torch.equal(encoder(x, mask), encoder(x, mask))
    encoder.eval()
    assert torch.equal(encoder(x, mask), encoder(x, mask))


def test_bonds_are_divided_by_their_largest_order():
    torch.manual_seed(0)
    encoder = GraphEncoder([4, 5], 6, orders=3, **SMALL).eval()
    plain = GraphEncoder([4, 5], 6, orders=1, **SMALL).eval()
    plain.load_state_dict(encoder.state_dict())
    a = torch.from_numpy(networkx.to_numpy_array(networkx.cycle_graph(4))).float()
    x = torch.cat([torch.ones(4, 1), a], 1)[None]
    tripled = torch.cat([torch.ones(4, 1), 3 * a], 1)[None]
    mask = torch.ones(1, 4).bool()
    assert_close(encoder(tripled, mask), plain(x, mask))


def test_the_drift_is_that_of_the_latent_nodes_and_the_step(graphs):
    torch.manual_seed(0)
    net = GraphDrift([6, 20], **SMALL).eval()
    z = torch.randn(6, 6, 20)
    mask, t = graphs["mask"], torch.linspace(0, 0.999, 6)
    found = net(z, t, mask)
    assert found.shape == z.shape
    assert not found.mT[~mask].any()
    assert_close(net(z + 9.0 * ~mask[:, None], t, mask), found)
    assert not torch.allclose(net(z, t + 0.001, mask), found)
    order = torch.arange(20)
    order[:12] = torch.randperm(12)
    assert_close(net(z[:, :, order], t, mask), found[:, :, order], atol=1e-4, rtol=1e-3)
