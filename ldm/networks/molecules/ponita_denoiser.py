"""PONITA as a denoiser of point sets that is told the time, and properties.

Source: Bekkers et al., "Fast, expressive SE(n) equivariant networks through weight-sharing in
position-orientation space", 2024.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ldm.networks.molecules.masked import centred, features_of_all, occupied
from ldm.networks.molecules.ponita import PONITA

__all__ = ["PONITADenoiser"]


class PONITADenoiser(nn.Module):
    """Predicts vectors with zero mean for the positions of a point set, and numbers for features.

    Features, the time and properties are read as scalars; kernels depend on the time, too. See
    `PONITA` for the rotations that the vectors turn with.

    Args:
        shape: of one point set, `(places, 3 + features)`.
        width, depth, basis, orientations, degree: of the `PONITA`.
        layer_scale, multiple_readouts: of the `PONITA`, too.
        property_shape: of the properties that each sample is told, numbers for all of its points.
        horizon: the time that the network reads as 1, in the unit of the process.

    Raises:
        ValueError: points have no three coordinates.

    Example: on molecules of up to 29 atoms, of five elements and a charge.
        >>> network = PONITADenoiser([29, 9], width=32, depth=2, basis=32)
        >>> noisy, mask = torch.zeros(2, 29, 9), torch.ones(2, 29).bool()
        >>> network(noisy, torch.tensor([0, 1000]), mask).shape
        torch.Size([2, 29, 9])
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 256,
        depth: int = 9,
        basis: int = 256,
        orientations: int = 16,
        degree: int = 3,
        layer_scale: float | None = None,
        multiple_readouts: bool = False,
        property_shape: Sequence[int] = (0,),
        horizon: float = 1000.0,
    ) -> None:
        super().__init__()
        features, self.properties = shape[1] - 3, math.prod(property_shape)
        if features < 0:
            raise ValueError(f"points need three coordinates, got the shape {tuple(shape)}")
        self.horizon = horizon
        self.ponita = PONITA(
            features + 1 + self.properties,
            features,
            out_vectors=1,
            width=width,
            depth=depth,
            basis=basis,
            orientations=orientations,
            degree=degree,
            told=1,
            layer_scale=layer_scale,
            multiple_readouts=multiple_readouts,
        )

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
        time = (t.to(noisy.dtype) / self.horizon).unsqueeze(1)
        told = features_of_all(noisy, self.properties, property)
        h = torch.cat([h, time.unsqueeze(1).expand(*h.shape[:2], 1), told], -1)
        features, vectors = self.ponita(h, x, mask, told=time)
        return torch.cat([centred(vectors.squeeze(2), mask), features.to(vectors.dtype)], -1)
