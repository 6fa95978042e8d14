"""The PatchGAN discriminator, which classifies overlapping patches as real or generated.

Source: Isola et al., "Image-to-image translation with conditional adversarial networks", 2017, as
used by the autoencoders of latent diffusion; of clips, as by those of PVDM and WF-VAE.
"""

import math
from itertools import accumulate, pairwise

from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.layers import check_images

__all__ = ["PatchGAN"]

SLOPE = 0.2
EVERY = "for clips set training.adversarial.frames=every, or take axes=3"
KINDS = {2: (nn.Conv2d, nn.BatchNorm2d), 3: (nn.Conv3d, nn.BatchNorm3d)}
"""Convolution and batch normalisation by the number of the grid's axes."""


class PatchGAN(nn.Module):
    """A fully convolutional discriminator with one logit per patch, of images or of clips.

    Each of `layers` strided convolutions halves the grid and doubles the channels, up to eight
    times `width`; two unstrided ones follow. With three layers a patch has 70 x 70 pixels.

    Args:
        in_channels: image channels.
        width: channels after the first convolution.
        layers: number of strided convolutions.
        norm: "batch"; or "none", needed by gradient penalties on single images, since batch
            normalisation mixes the images of a batch.
        init: "normal", standard deviation 0.02 (latent diffusion), or "kaiming" (GSQ): Kaiming
            normal by fan-in with linear gain, the last convolution scaled by 0.1 and without bias.
        axes: 2 for images, 3 for clips `(b, c, t, h, w)`.
        kernel: side of all convolutions.
        padding: of all convolutions, with zeros.
        dropout: share of the numbers set to zero after each block with normalisation, in training.
        time_layers: how many of the strided convolutions halve the frames of clips, too, the first
            ones; None for all.

    Raises:
        ValueError: `norm`, `init` or `axes` is unknown, or images are too small for `layers`.

    Example:
        >>> import torch
        >>> PatchGAN(layers=3)(torch.zeros(2, 3, 256, 256)).shape
        torch.Size([2, 1, 30, 30])
        >>> PatchGAN(width=8, layers=2, axes=3)(torch.zeros(2, 3, 12, 16, 16)).shape
        torch.Size([2, 1, 1, 2, 2])
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        layers: int = 3,
        norm: str = "batch",
        init: str = "normal",
        axes: int = 2,
        kernel: int = 4,
        padding: int = 1,
        dropout: float = 0.0,
        time_layers: int | None = None,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("norm", norm, ("batch", "none")),
            ("init", init, ("normal", "kaiming")),
            ("axes", axes, tuple(KINDS)),
        ):
            if value not in known:
                raise ValueError(f"{name} is one of {', '.join(map(str, known))}, found {value!r}")
        conv, batch_norm = KINDS[axes]
        halving = layers if time_layers is None else time_layers

        def stride(layer: int) -> tuple[int, ...]:
            sides = 1 + (layer < layers)
            time = 1 + (layer < min(halving, layers))
            return (time,) * (axes - 2) + (sides, sides)

        # The unstrided convolutions may shrink the grid.
        self.smallest = (2 * max(kernel - 1 - 2 * padding, 0) + 1) * 2**layers
        self.layers, self.axes = layers, axes
        blocks = [[conv(in_channels, width, kernel, stride(0), padding), nn.LeakyReLU(SLOPE)]]
        channels = width
        for layer in range(1, layers + 1):
            narrow, channels = channels, width * min(2**layer, 8)
            # Batch normalisation has its own bias.
            bias = norm == "none"
            block = [conv(narrow, channels, kernel, stride(layer), padding, bias=bias)]
            block += [batch_norm(channels)] if norm == "batch" else []
            block += [nn.LeakyReLU(SLOPE)] + ([nn.Dropout(dropout)] if dropout else [])
            blocks.append(block)
        blocks.append([conv(channels, 1, kernel, 1, padding, bias=init == "normal")])
        self.net = nn.Sequential(*(module for block in blocks for module in block))
        self.ends = list(accumulate(map(len, blocks)))
        self.apply(init_normal if init == "normal" else init_kaiming)
        if init == "kaiming":
            nn.init.normal_(self.net[-1].weight, std=0.1 / math.sqrt(channels * kernel**axes))

    def forward(self, x: Float[Tensor, "b _ *grid"]) -> Float[Tensor, "b 1 *patches"]:
        return self.features(x)[-1]

    def features(self, x: Float[Tensor, "b _ *grid"]) -> list[Float[Tensor, "b _ *_"]]:
        """Return what each block makes, from the finest to the logits."""
        if self.axes == 2:
            check_images(x, "the discriminator", EVERY)
        if min(x.shape[-2:]) < self.smallest:
            raise ValueError(
                f"{self.layers} strided layers need images of at least {self.smallest} pixels a "
                f"side, found {x.shape[-2]} x {x.shape[-1]}: use fewer layers"
            )
        made = []
        for first, end in pairwise([0, *self.ends]):
            x = self.net[first:end](x)
            made.append(x)
        return made


def init_normal(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02^2) in convolutions and N(1, 0.02^2) in batch normalisation."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)


def init_kaiming(module: nn.Module) -> None:
    """Draw weights of standard deviation `1 / sqrt(fan-in)` in convolutions."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
