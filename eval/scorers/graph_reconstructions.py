"""Reconstructions of graphs by a tokenizer: which nodes and edges are kept."""

from dataclasses import dataclass

import torch
from torchmetrics import MeanMetric

from data import Batch
from data.graphs.base import Graphs
from data.graphs.dense import adjacency, split
from eval.record import Record
from eval.scorers.scorer import BatchedScorer, to_device
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.run.parts import Parts

__all__ = ["GraphReconstructions"]


@dataclass
class GraphReconstructions(BatchedScorer):
    """Accuracy of a tokenizer on the test split.

    `node_accuracy`, the share of nodes that keep their class; `edge_accuracy`, of pairs of
    nodes that keep their edge, its order, or its absence; `graph_accuracy`, of graphs whose edges
    and nodes are all kept.
    """

    batch_size: int = 100

    def check(self, parts: Parts) -> None:
        if not isinstance(parts.data, Graphs):
            raise ConfigError(f"{parts.data.name} holds no graphs: choose another eval=")

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        names = ("node_accuracy", "edge_accuracy", "graph_accuracy")
        found = {name: MeanMetric().to(distributed.device()) for name in names}
        for batch in map(to_device, self.batches(parts.data, "test")):
            reconstruction, _ = parts.tokenizer.reconstruct(batch)
            nodes, edges = _kept(batch, {**batch, **reconstruction})
            mask = batch["mask"]
            pairs = (mask[:, :, None] & mask[:, None]).triu(1)
            found["node_accuracy"].update(nodes[mask].float())
            found["edge_accuracy"].update(edges[pairs].float())
            whole = (nodes | ~mask).all(1) & (edges | ~pairs).flatten(1).all(1)
            found["graph_accuracy"].update(whole.float())
        n = len(parts.data.test_dataset)
        record.add({key: value.compute() for key, value in found.items()}, split="test", n=n)


def _kept(batch: Batch, reconstruction: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Which classes of nodes `(b, n)` and orders of edges `(b, n, n)` are equal."""
    one, other = (split(x["x"])[0].argmax(2) for x in (batch, reconstruction))
    return one == other, adjacency(batch) == adjacency(reconstruction)
