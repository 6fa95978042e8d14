"""The noise predictor of EDM and GeoLDM: an EGNN that is told the time, and properties.

Sources: Hoogeboom et al., "Equivariant diffusion for molecule generation in 3D", 2022; Xu et al.,
"Geometric latent diffusion models for 3D molecule generation", 2023.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ldm.networks.molecules.egnn import EGNN
from ldm.networks.molecules.masked import centred, features_of_all, occupied

__all__ = ["EGNNDenoiser"]


class EGNNDenoiser(nn.Module):
    """Predicts vectors with zero mean for the positions of a point set, and numbers for features.

    Vectors are by how much an `EGNN` moves the points, so they turn with the positions and do not
    change when all are moved; numbers are what it makes of the features. Published weights have the
    same names, with `dynamics.egnn` for `egnn`, see `ldm.networks.molecules.egnn`.

    Args:
        shape: of one point set, `(places, 3 + features)`.
        width, depth: of the EGNN.
        property_shape: of the properties that each sample is told, numbers for all of its points.
        horizon: the time that the network reads as 1, in the unit of the process.
        normalization: divides the sums over other points.
        waves: wavelengths at which distances are read; 0 for their squares, as published.

    Raises:
        ValueError: points have no three coordinates.

    Example: on the latents of GeoLDM, one feature for each of up to 29 atoms.
        >>> network = EGNNDenoiser([29, 4])
        >>> noisy, mask = torch.zeros(2, 29, 4), torch.ones(2, 29).bool()
        >>> network(noisy, torch.tensor([0, 1000]), mask).shape
        torch.Size([2, 29, 4])
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 256,
        depth: int = 9,
        property_shape: Sequence[int] = (0,),
        horizon: float = 1000.0,
        normalization: float = 1.0,
        waves: int = 0,
    ) -> None:
        super().__init__()
        self.features, self.properties = shape[1] - 3, math.prod(property_shape)
        if self.features < 0:
            raise ValueError(f"points need three coordinates, got the shape {tuple(shape)}")
        self.horizon = horizon
        read = self.features + 1 + self.properties
        self.egnn = EGNN(read, read, width, depth, normalization, waves)

    def forward(
        self,
        noisy: Float[Tensor, "b places d"],
        t: Float[Tensor, " b"] | Int[Tensor, " b"],
        mask: Bool[Tensor, "b places"] | None = None,
        property: Float[Tensor, "b ..."] | None = None,
    ) -> Float[Tensor, "b places d"]:
        """Predict from noisy points at times `t`; without a mask all places hold one."""
        mask = occupied(noisy, mask)
        x, h = noisy[..., :3], noisy[..., 3:]
        time = t.to(noisy.dtype) / self.horizon
        told = features_of_all(noisy, self.properties, property)
        h = torch.cat([h, time[:, None, None].expand(*h.shape[:2], 1), told], -1)
        features, positions = self.egnn(h, x, mask)
        moves = centred(positions - x, mask)
        return torch.cat([moves, features[..., : self.features].to(moves.dtype)], -1)
