"""The encoder and decoder of GeoLDM: EGNNs from atoms to points with few features, and back.

Source: Xu et al., "Geometric latent diffusion models for 3D molecule generation", 2023.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ldm.networks.molecules.egnn import EGNN
from ldm.networks.molecules.masked import centred, features_of_all, occupied

__all__ = ["EGNNDecoder", "EGNNEncoder"]


class EGNNEncoder(nn.Module):
    """Maps atoms to latent points: positions as an EGNN moves them, and features of each.

    Published weights have the same names; they also predict variances, which nothing reads, in the
    first and last outputs of `final_mlp`.

    Args:
        shape: of the data, `(places, 3 + features)`.
        latent_shape: of the latents, `(places, 3 + latent features)`.
        width, depth: of the EGNN; published depth is 1.
        property_shape: of the properties that each sample is told, numbers for all of its points.
        normalization: divides the sums over other points.

    Example:
        >>> encoder = EGNNEncoder([29, 9], [29, 4])
        >>> encoder(torch.zeros(2, 29, 9), torch.ones(2, 29).bool()).shape
        torch.Size([2, 29, 4])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_shape: Sequence[int],
        width: int = 256,
        depth: int = 1,
        property_shape: Sequence[int] = (0,),
        normalization: float = 1.0,
    ) -> None:
        super().__init__()
        self.features, self.properties = latent_shape[1] - 3, math.prod(property_shape)
        read = shape[1] - 3 + self.properties
        self.egnn = EGNN(read, width, width, depth, normalization)
        outputs = 1 + 2 * self.features
        self.final_mlp = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs)
        )

    def forward(
        self,
        x: Float[Tensor, "b places d"],
        mask: Bool[Tensor, "b places"] | None = None,
        property: Float[Tensor, "b ..."] | None = None,
    ) -> Float[Tensor, "b places latent"]:
        """Means of the latents of molecules; without a mask all places hold an atom."""
        mask = occupied(x, mask)
        told = features_of_all(x, self.properties, property)
        h, positions = self.egnn(torch.cat([x[..., 3:], told], -1), x[..., :3], mask)
        features = self.final_mlp(h)[..., 1 : 1 + self.features].to(positions.dtype)
        features = torch.where(mask.unsqueeze(-1), features, 0)
        return torch.cat([centred(positions, mask), features], -1)


class EGNNDecoder(nn.Module):
    """Maps latent points to atoms: positions, logits of their types, and other features.

    Args:
        shape: of the data, `(places, 3 + features)`.
        latent_shape: of the latents, `(places, 3 + latent features)`.
        width, depth: of the EGNN.
        property_shape: of the properties that each sample is told, numbers for all of its points.
        normalization: divides the sums over other points.

    Example:
        >>> decoder = EGNNDecoder([29, 9], [29, 4])
        >>> decoder(torch.zeros(2, 29, 4), torch.ones(2, 29).bool()).shape
        torch.Size([2, 29, 9])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_shape: Sequence[int],
        width: int = 256,
        depth: int = 9,
        property_shape: Sequence[int] = (0,),
        normalization: float = 1.0,
    ) -> None:
        super().__init__()
        self.properties = math.prod(property_shape)
        read = latent_shape[1] - 3 + self.properties
        self.egnn = EGNN(read, shape[1] - 3, width, depth, normalization)

    def forward(
        self,
        latent: Float[Tensor, "b places latent"],
        mask: Bool[Tensor, "b places"] | None = None,
        property: Float[Tensor, "b ..."] | None = None,
    ) -> Float[Tensor, "b places d"]:
        """Decode latent points; without a mask all places hold one."""
        mask = occupied(latent, mask)
        told = features_of_all(latent, self.properties, property)
        h, positions = self.egnn(torch.cat([latent[..., 3:], told], -1), latent[..., :3], mask)
        return torch.cat([centred(positions, mask), h.to(positions.dtype)], -1)
