"""How far a reconstruction is from its data: pixels, and what a network sees in them."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["ReconstructionLoss", "bernoulli"]


def _l1(x, y):
    return (y - x).abs()


def _l2(x, y):
    return (y - x).square()


def bernoulli(x: Float[Tensor, "*shape"], y: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Minus the log probability of each pixel, nats: white with probability (y + 1) / 2.

    A grey x counts as white with probability (x + 1) / 2 itself. Probabilities come as `y`, not as
    logits, so that a reconstruction is a picture and averages of pictures are mixtures. What is
    lost is below the resolution of float32: logarithms stop at -17.3. A decoder ends in a tanh.
    """
    y = y.to(torch.promote_types(y.dtype, torch.float32))
    edge = 1 - torch.finfo(y.dtype).eps / 2
    y = y.clamp(-edge, edge)
    white = (x + 1) / 2
    return math.log(2) - white * torch.log1p(y) - (1 - white) * torch.log1p(-y)


PIXEL = {"l1": _l1, "l2": _l2, "bernoulli": bernoulli}
REDUCTIONS = ("mean", "sum")


class ReconstructionLoss(nn.Module):
    """A pixel error plus `perceptual_weight` times a perceptual distance.

    The two reductions are the two conventions of the field, and decide what the weight of a KL term
    beside this loss means. With N the number of elements of one sample:

    - "mean": over all elements; the perceptual distance over the batch. VQGAN (Esser et al. 2021):
      `l1` with LPIPS; GSQ (Wang et al. 2024): `l2` with LPIPS.
    - "sum": N times that, the negative log likelihood of one sample, as a KL in nats needs it. The
      perceptual distance counts once for each element, so both terms keep their proportion.
      Latent diffusion's KL autoencoders (Rombach et al. 2022): `l1` with LPIPS, log variance 0.

    For sums over each frame of a video, as its autoencoders have them, and for perceptual networks
    that read images, fold the frames into the batch first.

    Args:
        pixel: "l1" for absolute, "l2" for squared error; "bernoulli" for minus the log probability
            of black and white pixels, with "sum" in nats a sample, on images in [-1, 1].
        perceptual: `perceptual(x, reconstruction)` gives a distance for each sample, `(batch,)`; it
            receives both in the range they have here, [-1, 1] for images.
        perceptual_weight: its weight against the pixel error per element.
        reduction: "mean" or "sum".

    Raises:
        ValueError: `pixel` or `reduction` has no such name, or the two batches differ in shape.

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
    ) -> None:
        super().__init__()
        if pixel not in PIXEL:
            raise ValueError(f"no pixel error {pixel!r}: choose one of {', '.join(PIXEL)}")
        if reduction not in REDUCTIONS:
            raise ValueError(f"no reduction {reduction!r}: choose one of {', '.join(REDUCTIONS)}")
        self.pixel, self.reduction = pixel, reduction
        self.perceptual, self.perceptual_weight = perceptual, perceptual_weight

    def forward(
        self, x: Float[Tensor, "batch ..."], reconstruction: Float[Tensor, "batch ..."]
    ) -> dict[str, Float[Tensor, ""]]:
        """Named terms, weighted: the loss is their sum."""
        if x.shape != reconstruction.shape:
            raise ValueError(
                f"a reconstruction has the shape of its data, {tuple(x.shape)}, "
                f"got {tuple(reconstruction.shape)}"
            )
        scale = x[0].numel() if self.reduction == "sum" else 1
        terms = {"pixel": scale * PIXEL[self.pixel](x, reconstruction).mean()}
        if self.perceptual is not None:
            distance = self.perceptual(x, reconstruction).mean()
            terms["perceptual"] = scale * self.perceptual_weight * distance
        return terms
