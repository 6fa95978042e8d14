"""The invariant EGNN that predicts a property of molecules, by which conditional models are judged.

Sources: Satorras, Hoogeboom and Welling, "E(n) equivariant graph neural networks", 2021, section
5.3; as in Hoogeboom et al., "Equivariant diffusion for molecule generation in 3D", 2022.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ldm.networks.molecules.by_size import in_parts
from ldm.networks.molecules.egnn import GCL, differences

__all__ = ["EGNNRegressor"]


class EGNNRegressor(nn.Module):
    """Maps features and positions of points to one number, whatever frame and order they are in.

    Positions stay where they are, so their squared distances are measured once. Features of all
    points are added up between two perceptrons; empty places have no influence.

    Args:
        in_features: of each point.
        width: of the features in between.
        depth: number of graph convolutions.

    Raises:
        ValueError: `width` or `depth` is less than 1.

    Example: the published size, for five types of atoms.
        >>> network = EGNNRegressor(5)
        >>> sum(p.numel() for p in network.parameters())
        743944
        >>> network(torch.zeros(2, 9, 5), torch.zeros(2, 9, 3), torch.ones(2, 9).bool()).shape
        torch.Size([2])
    """

    def __init__(self, in_features: int, width: int = 128, depth: int = 7) -> None:
        super().__init__()
        if width < 1 or depth < 1:
            raise ValueError(f"width and depth must be 1 or more, got {width} and {depth}")
        self.embedding = nn.Linear(in_features, width)
        self.blocks = nn.ModuleList(GCL(width, 1, normalization=1.0) for _ in range(depth))
        self.node_mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.graph_mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(
        self,
        h: Float[Tensor, "b n in"],
        x: Float[Tensor, "b n 3"],
        mask: Bool[Tensor, "b n"],
    ) -> Float[Tensor, " b"]:
        """The number of each set, from its features and positions."""
        return self.graph_mlp(in_parts(self._points, mask, (h, x, mask)).sum(1)).squeeze(-1)

    def _points(self, h: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """Features of the points `(b, n, width)`, zeros in empty places."""
        places = mask.unsqueeze(-1)
        edges = places & mask.unsqueeze(1)
        edges = edges & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        h, squares = self.embedding(h), differences(x)[1].unsqueeze(-1)
        for block in self.blocks:
            h = block(h, squares, edges)
        return torch.where(places, self.node_mlp(h), 0)
