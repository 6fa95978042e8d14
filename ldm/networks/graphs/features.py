"""Features of graphs that message passing cannot find: cycles, components, and spectra.

Source: Vignac et al., "DiGress: Discrete Denoising Diffusion for Graph Generation", 2023, appendix
B; and as GLAD (Nguyen et al., 2024) uses them, neither scaled nor clamped.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ldm.tensors import widest

__all__ = ["GRAPH_FEATURES", "NODE_FEATURES", "GraphFeatures", "cycles", "graph_features"]

NODE_FEATURES, GRAPH_FEATURES = 4, 11  # without eigenvectors
VALUES = 5  # eigenvalues of the Laplacian after the zero ones
ZERO = 1e-5  # smaller eigenvalues, divided by the number of nodes, count as zero
COMPONENT = 3  # decimals by which entries of the first eigenvector tell components apart


class GraphFeatures(NamedTuple):
    """Features of a batch of graphs.

    Attributes:
        nodes: numbers of cycles of 3, 4 and 5 nodes through each node; 1 outside the largest
            component; its entries of eigenvectors.
        graph: the share of places that are occupied; numbers of cycles of 3 to 6 nodes; number of
            components; five eigenvalues.
    """

    nodes: Float[Tensor, "b n features"]
    graph: Float[Tensor, "b 11"]


def graph_features(
    adjacency: Float[Tensor, "b n n"],
    mask: Bool[Tensor, "b n"],
    vectors: int = 2,
    scaled: bool = False,
) -> GraphFeatures:
    """Compute all features in double precision where the device has it; padding gets zeros.

    The signs of eigenvectors are arbitrary, and so are those of equal eigenvalues.

    Args:
        adjacency: symmetric, 0 or 1, with a zero diagonal.
        mask: of the nodes that are there.
        vectors: number of eigenvectors of the Laplacian, after those of eigenvalue zero.
        scaled: give features a size of one at most, or on average: counts of cycles are divided by
            ten and clamped, as in DiGress, and entries of eigenvectors times the root of the number
            of nodes. GLAD does neither.
    """
    a = widest(adjacency)
    of_nodes, of_graph = cycles(a)
    outside, entries, components, values = _spectrum(a, mask, vectors)
    if scaled:
        of_nodes, of_graph = ((count / 10).clamp(max=1) for count in (of_nodes, of_graph))
        entries = entries * mask.sum(1).sqrt()[:, None, None]
    share = mask.sum(1, keepdim=True) / mask.shape[1]
    nodes = torch.cat([of_nodes, outside, entries], 2) * mask[..., None]
    graph = torch.cat([share, of_graph, components, values], 1)
    return GraphFeatures(nodes.to(adjacency), graph.to(adjacency))


def cycles(a: Float[Tensor, "b n n"]) -> tuple[Float[Tensor, "b n 3"], Float[Tensor, "b 4"]]:
    """Count cycles of 3, 4 and 5 nodes through each node, and of 3 to 6 in each graph.

    Counts of 5 are exact in graphs without triangles only, as in the published code: a clique of
    four nodes has none, and 3 are counted through each of its nodes.
    """
    a2 = a @ a
    a3, a4 = a2 @ a, a2 @ a2
    d, d2, d4 = a.sum(2), _diagonal(a2), _diagonal(a4)
    c3 = _diagonal(a3)
    c4 = d4 - d * (d - 1) - (a @ d[..., None])[..., 0]
    c5 = _diagonal(a4 @ a) - 2 * c3 * d - (a @ c3[..., None])[..., 0] + c3
    closed = (a3 * a3).sum((1, 2))  # walks of six steps back to where they began
    c6 = (
        closed
        - 3 * c3.square().sum(1)
        + 9 * (a * a2.square()).sum((1, 2))
        - 6 * (d2 * d4).sum(1)
        + 6 * d4.sum(1)
        - 4 * c3.sum(1)
        + 4 * d2.pow(3).sum(1)
        + 3 * a3.sum((1, 2))
        - 12 * d2.square().sum(1)
        + 4 * d2.sum(1)
    )
    sums = [c3.sum(1) / 6, c4.sum(1) / 8, c5.sum(1) / 10, c6 / 12]
    return torch.stack([c3, c4, c5], 2) / 2, torch.stack(sums, 1)


def _spectrum(
    a: Float[Tensor, "b n n"], mask: Bool[Tensor, "b n"], count: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute what the Laplacian tells.

    Which nodes are outside the largest component, eigenvectors, number of components, eigenvalues.
    """
    b, n = mask.shape
    # Empty places get an eigenvalue larger than any, so that they come last.
    empty = torch.where(mask, 0, 2 * n).to(a)
    values, vectors = torch.linalg.eigh(torch.diag_embed(a.sum(2) + empty) - a)
    values = values / mask.sum(1, keepdim=True)
    components = (values < ZERO).sum(1, keepdim=True)
    after = torch.cat([values, values.new_full((b, VALUES), 2.0)], 1)
    chosen = components + torch.arange(VALUES, device=a.device)
    after_vectors = torch.cat([vectors, vectors.new_zeros(b, n, count)], 2)
    kept = (components + torch.arange(count, device=a.device))[:, None].expand(b, n, count)
    # The first eigenvector is constant on each component; empty places are made all different.
    first = vectors[:, :, 0].round(decimals=COMPONENT)
    first = torch.where(mask, first, 10 + torch.arange(n, device=a.device).to(first))
    outside = (first != first.mode(1).values[:, None]).to(a)[..., None]
    return outside, after_vectors.gather(2, kept), components.to(a), after.gather(1, chosen)


def _diagonal(a: Float[Tensor, "b n n"]) -> Float[Tensor, "b n"]:
    return a.diagonal(dim1=1, dim2=2)
