"""The PatchGAN discriminator, which classifies overlapping patches as real or generated.

Source: Isola et al., "Image-to-image translation with conditional adversarial networks", 2017, as
used by the autoencoders of latent diffusion.
"""

import math

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PatchGAN"]

SLOPE = 0.2


class PatchGAN(nn.Module):
    """A fully convolutional discriminator with one logit per patch.

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

    Raises:
        ValueError: `norm` or `init` is unknown, or images are too small for `layers`.

    Example:
        >>> import torch
        >>> PatchGAN(layers=3)(torch.zeros(2, 3, 256, 256)).shape
        torch.Size([2, 1, 30, 30])
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        layers: int = 3,
        norm: str = "batch",
        init: str = "normal",
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("norm", norm, ("batch", "none")),
            ("init", init, ("normal", "kaiming")),
        ):
            if value not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, found {value!r}")
        self.layers = layers
        modules: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        channels = width
        for layer in range(1, layers + 1):
            stride, narrow, channels = 1 + (layer < layers), channels, width * min(2**layer, 8)
            # Batch normalisation has its own bias.
            modules.append(nn.Conv2d(narrow, channels, 4, stride, 1, bias=norm == "none"))
            if norm == "batch":
                modules.append(nn.BatchNorm2d(channels))
            modules.append(nn.LeakyReLU(SLOPE))
        modules.append(nn.Conv2d(channels, 1, 4, 1, 1, bias=init == "normal"))
        self.net = nn.Sequential(*modules)
        self.apply(init_normal if init == "normal" else init_kaiming)
        if init == "kaiming":
            nn.init.normal_(self.net[-1].weight, std=0.1 / math.sqrt(channels * 4**2))

    def forward(self, x: Float[Tensor, "b _ height width"]) -> Float[Tensor, "b 1 h w"]:
        smallest = 3 * 2**self.layers  # each unstrided convolution shrinks the grid by 1: 3, 2, 1
        if min(x.shape[-2:]) < smallest:
            raise ValueError(
                f"{self.layers} strided layers need images of at least {smallest} pixels a side, "
                f"found {x.shape[-2]} x {x.shape[-1]}: use fewer layers"
            )
        return self.net(x)


def init_normal(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02^2) in convolutions and N(1, 0.02^2) in batch normalisation."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)


def init_kaiming(module: nn.Module) -> None:
    """Draw weights of standard deviation `1 / sqrt(fan-in)` in convolutions."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
