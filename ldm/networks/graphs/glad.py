"""The networks of GLAD: graphs to latent nodes and back, and the drift of latent nodes.

Source: Nguyen et al., "GLAD: Improving Latent Graph Generative Modeling with Simple Quantization",
2024, section 3. Padding has an influence on all features, as published: train and sample with the
same number of places.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ldm.networks.graphs.edges import latent_edges, paths_of_two, symmetric
from ldm.networks.graphs.features import GRAPH_FEATURES, NODE_FEATURES, graph_features
from ldm.networks.graphs.transformer import GraphState, GraphTransformerLayer, Widths, mlp

__all__ = ["GraphDecoder", "GraphDrift", "GraphEncoder"]

CHANNELS = 5  # layers of the perceptrons between latent channels and features
TIME = 1000.0  # the network reads times in thousandths


class Trunk(nn.Module):
    """Perceptrons into node, edge and graph features, and transformer layers.

    Args:
        nodes: features of a node that are read.
        graph: features of a graph that are read.
        widths: numbers of features within.
        layers: number of transformer layers.
        heads: of their attention.
        dropout: rate of their dropout.
    """

    def __init__(
        self, nodes: int, graph: int, widths: Widths, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        dx, de, dy = widths
        self.mlp_in_X = mlp(nodes, dx, dx, last=True)
        self.mlp_in_E = mlp(2, 2 * de, de, last=True)
        self.mlp_in_y = mlp(graph, 2 * dy, dy, last=True)
        self.tf_layers = nn.ModuleList(
            GraphTransformerLayer(widths, heads, dropout) for _ in range(layers)
        )

    @property
    def blocks(self) -> nn.ModuleList:
        """The repeated layers, which may be compiled."""
        return self.tf_layers

    def transform(
        self,
        nodes: Float[Tensor, "b n c"],
        edges: Float[Tensor, "b n n 2"],
        graph: Float[Tensor, "b g"],
        mask: Bool[Tensor, "b n"],
    ) -> GraphState:
        """Compute the features after the last layer."""
        pairs = (mask[:, :, None] & mask[:, None])[..., None]
        state = GraphState(
            self.mlp_in_X(nodes) * mask[..., None],
            symmetric(self.mlp_in_E(edges)) * pairs,
            self.mlp_in_y(graph),
        )
        for layer in self.tf_layers:
            state = layer(state, mask)
        return state


class ChannelMLP(nn.Module):
    """Five linear layers along channels, with batch normalisation and SELU between them.

    Statistics of batches include padding.

    Args:
        width: features that are read.
        out: features of all layers.
    """

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        widths = [width] + [out] * CHANNELS
        self.lin = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.norm_list = nn.ModuleList(nn.BatchNorm1d(out) for _ in range(CHANNELS - 1))

    def forward(
        self, x: Float[Tensor, "b n width"], mask: Bool[Tensor, "b n"]
    ) -> Float[Tensor, "b n out"]:
        """Map each node; padding gets zeros."""
        first, *rest = self.lin
        x = first(x)
        for norm, layer in zip(self.norm_list, rest, strict=True):
            x = layer(nn.functional.selu(norm(x.mT).mT) * mask[..., None])
        return x * mask[..., None]


class GraphEncoder(Trunk):
    """Graphs to features of the quantiser's channels, one set a node.

    Args:
        shape: of one graph, `(places, classes + places)`.
        out_channels: channels of the quantiser.
        orders: the largest order of an edge, that edges are divided by: 3 for bonds.
        nodes: features of a node.
        edges: features of an edge.
        graph: features of a graph.
        layers: number of transformer layers.
        heads: of their attention.
        dropout: rate of their dropout.
        noise: standard deviation of the noise that is added to node classes in training.
        vectors: number of eigenvectors that are read.
        scaled: scale what is counted in graphs, and eigenvectors, as published networks do not;
            they are then learned from far sooner.

    Example:
        >>> encoder = GraphEncoder([20, 29], 6, nodes=16, edges=8, graph=8, layers=1)
        >>> encoder(torch.zeros(2, 20, 29), torch.ones(2, 20, dtype=torch.bool)).shape
        torch.Size([2, 6, 20])
    """

    def __init__(
        self,
        shape: Sequence[int],
        out_channels: int,
        orders: int = 1,
        nodes: int = 256,
        edges: int = 128,
        graph: int = 64,
        layers: int = 8,
        heads: int = 8,
        dropout: float = 0.1,
        noise: float = 0.0,
        vectors: int = 2,
        scaled: bool = False,
    ) -> None:
        places, width = shape
        widths = Widths(nodes, edges, graph)
        features = width - places + NODE_FEATURES + vectors
        super().__init__(features, GRAPH_FEATURES, widths, layers, heads, dropout)
        self.classes, self.orders, self.noise = width - places, orders, noise
        self.vectors, self.scaled = vectors, scaled
        self.mlp_out_X = mlp(nodes, nodes, nodes)
        self.enc2q = ChannelMLP(nodes, out_channels)

    def forward(
        self, x: Float[Tensor, "b n width"], mask: Bool[Tensor, "b n"]
    ) -> Float[Tensor, "b channels n"]:
        """Compute the features that are quantised, channels first."""
        kinds, orders = x[..., : self.classes], x[..., self.classes :]
        extra = graph_features((orders > 0.1).to(x), mask, self.vectors, self.scaled)
        if self.training and self.noise:
            kinds = kinds + self.noise * torch.randn_like(kinds) * mask[..., None]
        nodes = torch.cat([kinds, extra.nodes], 2)
        state = self.transform(nodes, paths_of_two(orders / self.orders), extra.graph, mask)
        return self.enc2q(self.mlp_out_X(state.nodes) * mask[..., None], mask).mT


class GraphDecoder(Trunk):
    """Latent nodes to graphs: probabilities of node classes, and soft edges in [0, orders].

    Args:
        in_channels: channels of the quantiser.
        shape: of one graph, `(places, classes + places)`.
        orders: the largest order of an edge: 1, or 3 for bonds.
        nodes: features of a node.
        edges: features of an edge.
        graph: features of a graph.
        layers: number of transformer layers.
        heads: of their attention.
        dropout: rate of their dropout.
    """

    def __init__(
        self,
        in_channels: int,
        shape: Sequence[int],
        orders: int = 1,
        nodes: int = 256,
        edges: int = 128,
        graph: int = 64,
        layers: int = 4,
        heads: int = 8,
        dropout: float = 0.1,
    ) -> None:
        places, width = shape
        super().__init__(nodes, nodes, Widths(nodes, edges, graph), layers, heads, dropout)
        self.orders = orders
        self.q2dec = ChannelMLP(in_channels, nodes)
        self.mlp_out_X = mlp(nodes, nodes, width - places)
        self.mlp_out_E = mlp(edges, 2 * edges, 2)

    def forward(
        self, latent: Float[Tensor, "b channels n"], mask: Bool[Tensor, "b n"]
    ) -> Float[Tensor, "b n width"]:
        """Compute soft graphs in the form of the data."""
        nodes = self.q2dec(latent.mT, mask)
        edges = paths_of_two(latent_edges(latent.mT, mask))
        state = self.transform(nodes, edges, nodes.mean(1), mask)
        kinds = self.mlp_out_X(state.nodes + nodes).softmax(2) * mask[..., None]
        logits = symmetric(self.mlp_out_E(state.edges) + edges)
        if self.orders == 1:
            orders = logits.sum(3).sigmoid()
        else:
            orders = self.orders * (logits.sigmoid() @ logits.new_tensor([1 / 3, 2 / 3]))
        loops = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        there = mask[:, :, None] & mask[:, None] & ~loops
        return torch.cat([kinds, orders * there], 2)


class GraphDrift(Trunk):
    """The learned part of the drift of latent nodes.

    Args:
        shape: of the latent nodes, `(channels, places)`.
        nodes: features of a node.
        edges: features of an edge.
        graph: features of a graph.
        layers: number of transformer layers.
        heads: of their attention.
        dropout: rate of their dropout.
    """

    def __init__(
        self,
        shape: Sequence[int],
        nodes: int = 256,
        edges: int = 128,
        graph: int = 64,
        layers: int = 8,
        heads: int = 8,
        dropout: float = 0.1,
    ) -> None:
        channels = shape[0]
        widths = Widths(nodes, edges, graph)
        super().__init__(channels, channels + 1, widths, layers, heads, dropout)
        self.mlp_out_X = mlp(nodes, nodes, channels)

    def forward(
        self, x: Float[Tensor, "b channels n"], t: Float[Tensor, " b"], mask: Bool[Tensor, "b n"]
    ) -> Float[Tensor, "b channels n"]:
        """Compute the drift at times in [0, 1)."""
        nodes = x.mT * mask[..., None]
        edges = paths_of_two(latent_edges(nodes, mask))
        graph = torch.cat([nodes.mean(1), TIME * t[:, None].to(x)], 1)
        state = self.transform(nodes, edges, graph, mask)
        return ((self.mlp_out_X(state.nodes) + nodes) * mask[..., None]).mT
