"""The transformer over nodes, edges and graphs, against a slow computation; permutations."""

import torch
from torch.testing import assert_close

from ldm.networks.graphs.transformer import (
    GraphState,
    GraphTransformerLayer,
    NodeEdgeAttention,
    Widths,
)

WIDTHS = Widths(nodes=8, edges=6, graph=4)


def state(b: int = 2, n: int = 5, seed: int = 0) -> tuple[GraphState, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    draws = ((b, n, 8), (b, n, n, 6), (b, 4))
    found = [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in draws]
    mask = torch.arange(n) < torch.tensor([[n], [3]])[:b]
    return GraphState(*found), mask


def test_attention_is_that_of_each_head_and_feature_alone():
    torch.manual_seed(0)
    layer, (given, mask) = NodeEdgeAttention(WIDTHS, heads=2).double(), state()
    found = layer(given, mask)
    nodes, edges, y = (part[1] for part in given)
    there = mask[1].double()
    q, k, v = (one(nodes) * there[:, None] for one in (layer.q, layer.k, layer.v))
    new = torch.zeros(5, 8, dtype=torch.float64)
    scores = torch.zeros(5, 5, 8, dtype=torch.float64)
    for i in range(5):
        for j in range(5):
            pair = there[i] * there[j]
            plain = q[i] * k[j] / (8 / 2) ** 0.5
            mul, add = layer.e_mul(edges[i, j]) * pair, layer.e_add(edges[i, j]) * pair
            scores[i, j] = plain * (mul + 1) + add
    for i in range(5):
        for d in range(8):
            weights = scores[i, :, d].exp() / scores[i, :, d].exp().sum()
            new[i, d] = (weights * v[:, d]).sum()
    new = layer.y_x_add(y) + (layer.y_x_mul(y) + 1) * new
    assert_close(found.nodes[1], layer.x_out(new) * there[:, None])
    mixed = layer.y_e_add(y) + (layer.y_e_mul(y) + 1) * scores
    pairs = (there[:, None] * there)[..., None]
    assert_close(found.edges[1], layer.e_out(mixed) * pairs)
    flat = edges.reshape(25, 6)
    summary = [flat.mean(0), flat.amin(0), flat.amax(0), flat.std(0)]
    of_nodes = [nodes.mean(0), nodes.amin(0), nodes.amax(0), nodes.std(0)]
    whole = layer.y_y(y) + layer.x_y.lin(torch.cat(of_nodes)) + layer.e_y.lin(torch.cat(summary))
    assert_close(found.graph[1], layer.y_out(whole))


def test_a_layer_follows_permutations_of_nodes():
    torch.manual_seed(0)
    layer, (given, mask) = GraphTransformerLayer(WIDTHS, heads=2).double().eval(), state()
    order = torch.tensor([2, 0, 1, 4, 3])
    turned = GraphState(given.nodes[:, order], given.edges[:, order][:, :, order], given.graph)
    one, other = layer(given, mask), layer(turned, mask[:, order])
    assert_close(other.nodes, one.nodes[:, order])
    assert_close(other.edges, one.edges[:, order][:, :, order])
    assert_close(other.graph, one.graph)


def test_the_published_layer_has_its_number_of_parameters():
    for widths, count in ((Widths(256, 128, 64), 1_003_136), (Widths(128, 32, 64), 467_840)):
        with torch.device("meta"):
            layer = GraphTransformerLayer(widths, heads=8)
        assert sum(p.numel() for p in layer.parameters()) == count
