"""The equivariance loss of LFDM's regions.

Sources: Siarohin et al., "First order motion model for image animation", 2019, section 3.3, and
"Motion representations for articulated animation", 2021; Ni et al. 2023 (LFDM) for the weights.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from data import Batch
from ldm.networks.videos.lfdm.layers import grid
from ldm.randomness import Generators, normal

__all__ = ["Deformation", "RegionEquivariance", "random_deformation"]

SMALLEST = 1e-6  # under the logarithm of a distance


class Deformation(NamedTuple):
    """A smooth deformation of the plane: an affine map and a thin plate spline.

    Attributes:
        affine: matrix and shift.
        bends: weight of the spline at each of its control points, which moves x and y alike.
    """

    affine: Float[Tensor, "b 2 3"]
    bends: Float[Tensor, "b points"]

    def __call__(self, at: Float[Tensor, "b n 2"]) -> Float[Tensor, "b n 2"]:
        """Deformed points."""
        offset = self._offsets(at).abs().sum(-1)
        bent = offset.square() * (offset + SMALLEST).log()
        moved = torch.einsum("bxy,bny->bnx", self.affine[..., :2], at) + self.affine[:, None, :, 2]
        return moved + torch.einsum("bp,bnp->bn", self.bends, bent)[..., None]

    def jacobian(self, at: Float[Tensor, "b n 2"]) -> Float[Tensor, "b n 2 2"]:
        """Derivative of each deformed coordinate, the rows, by each coordinate."""
        apart = self._offsets(at)
        offset = apart.abs().sum(-1)
        slope = 2 * offset * (offset + SMALLEST).log() + offset.square() / (offset + SMALLEST)
        bent = torch.einsum("bp,bnp,bnpy->bny", self.bends, slope, apart.sign())
        return self.affine[:, None, :, :2] + bent[:, :, None]

    def frames(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Frames whose places show what is at the deformed ones; borders reflect."""
        at = grid(*x.shape[-2:], self.affine).flatten(0, 1).expand(len(x), -1, -1)
        shown = self(at).view(len(x), *x.shape[-2:], 2).to(x.dtype)
        return F.grid_sample(x, shown, padding_mode="reflection", align_corners=False)

    def _offsets(self, at: Float[Tensor, "b n 2"]) -> Float[Tensor, "b n points 2"]:
        side = round(self.bends.shape[1] ** 0.5)
        return at[:, :, None] - grid(side, side, at).flatten(0, 1)


def random_deformation(
    n: int,
    generator: Generators = None,
    device: torch.device | str = "cpu",
    affine: float = 0.05,
    bends: float = 0.005,
    points: int = 5,
) -> Deformation:
    """Draw deformations close to the identity.

    Args:
        n: how many.
        generator: source of randomness.
        device: of the deformations.
        affine: standard deviation of each entry of the affine map.
        bends: that of each weight of the spline.
        points: of the spline, a side.
    """
    identity = torch.eye(2, 3, device=device)
    drawn = normal((n, 6 + points * points), generator, torch.device(device))
    return Deformation(identity + affine * drawn[:, :6].view(n, 2, 3), bends * drawn[:, 6:])


class RegionEquivariance:
    """How far regions of deformed frames are from the deformed regions of the frames.

    The sum of the mean absolute difference of their means, and of that of the matrix from the axes
    of the one to those of the other from the identity; the signs of axes are free. It is a term of
    a `Regularizer`, for a `LatentFlow`, and reads the frames that were painted.
    """

    def __call__(
        self,
        tokenizer: Any,
        batch: Batch,
        encoded: Any,
        reconstruction: Batch,
        samples_seen: int,
        generator: Generators = None,
    ) -> Float[Tensor, ""]:
        """Compute the term of a batch."""
        frames = reconstruction["target"][:, :, 0] / 2 + 0.5
        deform = random_deformation(len(frames), generator, frames.device)
        found, deformed = (tokenizer.encoder.regions(x) for x in (frames, deform.frames(frames)))
        shift = (found.shift - deform(deformed.shift)).abs().mean()
        back = torch.linalg.inv(found.affine) @ deform.jacobian(deformed.shift) @ deformed.affine
        back = back * back[..., :1, :1].sign()
        return shift + (torch.eye(2, device=back.device) - back).abs().mean()
