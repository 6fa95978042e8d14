"""A transformer over the nodes, the edges and the whole of each graph.

Source: Vignac et al., "DiGress: Discrete Denoising Diffusion for Graph Generation", 2023, appendix
B.1, as GLAD (Nguyen et al., 2024) uses it: attention is not masked, and statistics include padding.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ldm.networks.dropout import Dropout

__all__ = ["GraphState", "GraphTransformerLayer", "Widths", "mlp"]

FEED_FORWARD = 2048  # width of the layer's perceptron over whole graphs


class Widths(NamedTuple):
    """Numbers of features.

    Attributes:
        nodes: of a node.
        edges: of an edge.
        graph: of a graph.
    """

    nodes: int
    edges: int
    graph: int


class GraphState(NamedTuple):
    """Features that a layer reads and writes.

    Attributes:
        nodes: features of the nodes.
        edges: features of all pairs of nodes.
        graph: features of the graphs.
    """

    nodes: Float[Tensor, "b n dx"]
    edges: Float[Tensor, "b n n de"]
    graph: Float[Tensor, "b dy"]


def mlp(*widths: int, last: bool = False) -> nn.Sequential:
    """Build a perceptron with ReLU between its layers, and after the last one if `last`."""
    layers: list[nn.Module] = []
    for one, other in pairwise(widths):
        layers += [nn.Linear(one, other), nn.ReLU()]
    return nn.Sequential(*(layers if last else layers[:-1]))


class Statistics(nn.Module):
    """A linear map of mean, minimum, maximum and standard deviation.

    Args:
        width: features of one element.
        out: features of the result.
    """

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.lin = nn.Linear(4 * width, out)

    def forward(self, x: Float[Tensor, "b *places d"]) -> Float[Tensor, "b out"]:
        """Summarise all places of each sample, padding included."""
        x = x.flatten(1, -2)
        mean = x.mean(1)
        # Several times as fast as x.std(1), which sums along rows that lie apart.
        std = torch.linalg.vector_norm(x - mean[:, None], dim=1) / math.sqrt(x.shape[1] - 1)
        return self.lin(torch.cat([mean, x.amin(1), x.amax(1), std], 1))


class NodeEdgeAttention(nn.Module):
    """Attention between nodes, one weight a feature, scaled and shifted by edges and graph.

    Heads only set the scale of the scores, `sqrt(nodes / heads)`.

    Args:
        widths: numbers of features.
        heads: number of heads.
    """

    def __init__(self, widths: Widths, heads: int) -> None:
        super().__init__()
        dx, de, dy = widths
        self.scale = 1 / math.sqrt(dx // heads)
        self.q, self.k, self.v = (nn.Linear(dx, dx) for _ in range(3))
        self.e_add, self.e_mul = nn.Linear(de, dx), nn.Linear(de, dx)
        self.y_e_mul, self.y_e_add = nn.Linear(dy, dx), nn.Linear(dy, dx)
        self.y_x_mul, self.y_x_add = nn.Linear(dy, dx), nn.Linear(dy, dx)
        self.y_y = nn.Linear(dy, dy)
        self.x_y, self.e_y = Statistics(dx, dy), Statistics(de, dy)
        self.x_out, self.e_out = nn.Linear(dx, dx), nn.Linear(dx, de)
        self.y_out = mlp(dy, dy, dy)

    def forward(self, state: GraphState, mask: Bool[Tensor, "b n"]) -> GraphState:
        """Compute what is added to nodes, edges and graph."""
        nodes, edges, y = state
        there = mask[..., None].to(nodes)
        q, k, v = (layer(nodes) * there for layer in (self.q, self.k, self.v))
        shift, factor = self._edge_maps(edges)
        pairs = (there[:, :, None] * there[:, None]).to(shift)
        # Without an edge to scale and shift them, scores of empty places would be zero, too.
        scores = (self.scale * q)[:, :, None] * k[:, None]
        scores = (shift + scores * factor) * pairs
        # Empty places take part of the weight, and have no value.
        values = (scores.softmax(2) * v[:, None]).sum(2)
        new_nodes = self.y_x_add(y)[:, None] + (self.y_x_mul(y)[:, None] + 1) * values
        new_graph = self.y_y(y) + self.x_y(nodes) + self.e_y(edges)
        return GraphState(
            self.x_out(new_nodes) * there,
            self._edges_out(scores, y) * pairs,
            self.y_out(new_graph),
        )

    def _edge_maps(self, edges: Float[Tensor, "b n n de"]) -> tuple[Tensor, Tensor]:
        """Compute shift and factor of scores, in one matrix product."""
        weight = torch.cat([self.e_add.weight, self.e_mul.weight])
        bias = torch.cat([self.e_add.bias, self.e_mul.bias + 1])
        shift, factor = nn.functional.linear(edges, weight, bias).chunk(2, 3)
        return shift, factor

    def _edges_out(self, scores: Float[Tensor, "b n n dx"], y: Float[Tensor, "b dy"]) -> Tensor:
        """Compute `e_out(y_e_add(y) + (y_e_mul(y) + 1) * scores)`.

        A graph's factors scale its rows of the weight, instead of all of its pairs.
        """
        weight = (self.y_e_mul(y)[:, :, None] + 1) * self.e_out.weight.T
        shift = self.e_out(self.y_e_add(y))[:, None]
        pairs = scores.flatten(1, 2)
        return torch.baddbmm(shift.to(pairs), pairs, weight.to(pairs)).view(*scores.shape[:3], -1)


class GraphTransformerLayer(nn.Module):
    """Attention and perceptrons of nodes, edges and graph, each added and then normalised.

    Args:
        widths: numbers of features.
        heads: number of heads.
        dropout: rate, after attention and within perceptrons.

    Example:
        >>> layer = GraphTransformerLayer(Widths(8, 4, 4), heads=2)
        >>> state = GraphState(torch.zeros(1, 3, 8), torch.zeros(1, 3, 3, 4), torch.zeros(1, 4))
        >>> layer(state, torch.ones(1, 3, dtype=torch.bool)).edges.shape
        torch.Size([1, 3, 3, 4])
    """

    def __init__(self, widths: Widths, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        dx, de, dy = widths
        self.self_attn = NodeEdgeAttention(widths, heads)
        self.linX1, self.linX2 = nn.Linear(dx, dx), nn.Linear(dx, dx)
        self.linE1, self.linE2 = nn.Linear(de, 2 * de), nn.Linear(2 * de, de)
        self.lin_y1, self.lin_y2 = nn.Linear(dy, FEED_FORWARD), nn.Linear(FEED_FORWARD, dy)
        self.normX1, self.normX2 = nn.LayerNorm(dx), nn.LayerNorm(dx)
        self.normE1, self.normE2 = nn.LayerNorm(de), nn.LayerNorm(de)
        self.norm_y1, self.norm_y2 = nn.LayerNorm(dy), nn.LayerNorm(dy)
        self.dropout = Dropout(dropout)

    def forward(self, state: GraphState, mask: Bool[Tensor, "b n"]) -> GraphState:
        """Compute the next features of nodes, edges and graph."""
        drop, new = self.dropout, self.self_attn(state, mask)
        nodes = self.normX1(state.nodes + drop(new.nodes))
        edges = self.normE1(state.edges + drop(new.edges))
        y = self.norm_y1(state.graph + drop(new.graph))
        wide = drop(self.linX1(nodes).relu()), drop(self.linE1(edges).relu())
        nodes = self.normX2(nodes + drop(self.linX2(wide[0])))
        edges = self.normE2(edges + drop(self.linE2(wide[1])))
        y = self.norm_y2(y + drop(self.lin_y2(drop(self.lin_y1(y).relu()))))
        return GraphState(nodes, edges, y)
