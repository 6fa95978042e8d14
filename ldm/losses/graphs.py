"""Reconstruction errors of graphs, as means over all places, padding included.

Source: Nguyen et al., "GLAD: Improving Latent Graph Generative Modeling with Simple Quantization",
2024. They are terms of a `Regularizer`.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from data import Batch
from data.graphs.dense import split

__all__ = ["EdgeError", "NodeError"]


class NodeError:
    """Mean squared error of the probabilities of node classes."""

    def __call__(
        self, tokenizer: Any, batch: Batch, encoded: Any, reconstruction: Batch, *_: Any
    ) -> Float[Tensor, ""]:
        """Compare the nodes of a batch and its reconstruction."""
        nodes, found = (split(one["x"])[0] for one in (batch, reconstruction))
        return (found - nodes).square().mean()


class EdgeError:
    """Mean squared error of edges, divided by their largest order.

    Args:
        orders: the largest order: 1, or 3 for bonds.
    """

    def __init__(self, orders: int = 1) -> None:
        self.orders = orders

    def __call__(
        self, tokenizer: Any, batch: Batch, encoded: Any, reconstruction: Batch, *_: Any
    ) -> Float[Tensor, ""]:
        """Compare the edges of a batch and its reconstruction."""
        edges, found = (split(one["x"])[1] for one in (batch, reconstruction))
        return ((found - edges) / self.orders).square().mean()
