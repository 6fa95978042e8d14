"""Reconstruction losses: a pixel error plus a perceptual distance."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.losses.frames import frames_of

__all__ = ["ReconstructionLoss", "bernoulli"]


def _l1(x, y):
    return (y - x).abs()


def _l2(x, y):
    return (y - x).square()


def bernoulli(x: Float[Tensor, "*shape"], y: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Compute minus the log probability of each pixel, white with probability (y + 1) / 2; nats.

    A grey x is taken as white with probability (x + 1) / 2. The decoder, which ends in a tanh,
    gives probabilities in the form of `y` instead of logits, so that reconstructions are images and
    averages of images are mixtures. The resolution of float32 bounds logarithms below by -17.3.
    """
    y = y.to(torch.promote_types(y.dtype, torch.float32))
    edge = 1 - torch.finfo(y.dtype).eps / 2
    y = y.clamp(-edge, edge)
    white = (x + 1) / 2
    return math.log(2) - white * torch.log1p(y) - (1 - white) * torch.log1p(-y)


PIXEL = {"l1": _l1, "l2": _l2, "bernoulli": bernoulli}
REDUCTIONS = ("mean", "sum")


class ReconstructionLoss(nn.Module):
    """A weighted sum of a pixel error and a perceptual distance.

    The field uses two reductions; a KL weight is relative to one of them. With N the number of
    elements of one sample:

    - "mean": the pixel error is averaged over all elements, the perceptual distance over the batch.
      VQGAN (Esser et al. 2021): `l1` with LPIPS; GSQ (Wang et al. 2024): `l2` with LPIPS.
    - "sum": N times that, the negative log likelihood of one sample, matching a KL in nats. The
      perceptual distance is multiplied by N as well, so both terms keep their proportion.
      Latent diffusion's KL autoencoders (Rombach et al. 2022): `l1` with LPIPS, log variance 0.

    With `frames`, data are clips, "sum" is per frame (He et al. 2022, LVDM; Li et al. 2025,
    WF-VAE), and the perceptual distance is of frames; the pixel error is always of all of them.

    Args:
        pixel: "l1" for absolute, "l2" for squared error; "bernoulli" for minus the log probability
            of black and white pixels of images in [-1, 1] (with "sum" in nats per sample).
        perceptual: `perceptual(x, reconstruction)` returns a distance for each sample, `(batch,)`;
            it gets both unchanged, images in [-1, 1].
        perceptual_weight: weight of the perceptual distance.
        pixel_weight: weight of the mean pixel error.
        reduction: "mean" or "sum".
        frames: of clips `(batch, channels, frames, height, width)` that the perceptual distance
            sees: "every", or a "random" one of each clip; None for data that are no clips.

    Raises:
        ValueError: `pixel`, `reduction` or `frames` is unknown, or the shapes of the two batches
            differ.

    Example:
        >>> loss = ReconstructionLoss("l2", reduction="sum")
        >>> loss(torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4))
        {'pixel': tensor(48.)}
    """

    def __init__(
        self,
        pixel: str,
        perceptual: nn.Module | None = None,
        perceptual_weight: float = 1.0,
        reduction: str = "mean",
        pixel_weight: float = 1.0,
        frames: str | None = None,
    ) -> None:
        super().__init__()
        if pixel not in PIXEL:
            raise ValueError(f"no pixel error {pixel!r}: choose one of {', '.join(PIXEL)}")
        if reduction not in REDUCTIONS:
            raise ValueError(f"no reduction {reduction!r}: choose one of {', '.join(REDUCTIONS)}")
        self.pixel, self.reduction = pixel, reduction
        self.perceptual, self.perceptual_weight = perceptual, perceptual_weight
        self.pixel_weight = pixel_weight
        self.frames, self._seen = frames, frames_of(frames)

    def forward(
        self, x: Float[Tensor, "batch ..."], reconstruction: Float[Tensor, "batch ..."]
    ) -> dict[str, Float[Tensor, ""]]:
        """Compute the weighted terms by name; the loss is their sum."""
        if x.shape != reconstruction.shape:
            raise ValueError(
                f"a reconstruction has the shape of its data, {tuple(x.shape)}, "
                f"got {tuple(reconstruction.shape)}"
            )
        one = x[0] if self.frames is None else x[0, :, 0]
        scale = one.numel() if self.reduction == "sum" else 1
        error = PIXEL[self.pixel](x, reconstruction).mean()
        terms = {"pixel": scale * self.pixel_weight * error}
        if self.perceptual is not None:
            distance = self.perceptual(*self._seen(x, reconstruction)).mean()
            terms["perceptual"] = scale * self.perceptual_weight * distance
        return terms
