"""Fully connected encoders and decoders of small images, and even decoders for projective spaces.

Source: Perez Rey, Menkovski and Portegies, "Diffusion variational autoencoders", 2020. On MNIST
the encoder has hidden layers of 256 and 128 units, the decoder of 128 and 256.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Decoder", "Encoder", "Even"]


class Encoder(nn.Sequential):
    """Perceptron with ReLU hidden layers from flattened data to a feature vector.

    Data in [-1, 1] are rescaled to [0, 1], the paper's range, so that black pixels are zeros.

    Args:
        shape: shape of one sample, `(channels, height, width)` for images.
        out_channels: number of features, as the bottleneck expects.
        widths: units of the hidden layers.

    Example:
        >>> Encoder([1, 28, 28], out_channels=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 4])
    """

    def __init__(
        self, shape: Sequence[int], out_channels: int, widths: Sequence[int] = (256, 128)
    ) -> None:
        super().__init__(nn.Flatten(), *_layers([math.prod(shape), *widths, out_channels]))

    def forward(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b features"]:
        return super().forward((x + 1) / 2)


class Decoder(nn.Module):
    """Perceptron with ReLU hidden layers from flattened latents to data in [-1, 1].

    The output is `2 sigmoid(logit) - 1`, so (output + 1) / 2 is the probability of a white pixel.

    Args:
        in_channels: size of the flattened latent.
        shape: shape of one sample of the data.
        widths: units of the hidden layers.

    Example: the paper's decoder for latents on the sphere S^2, with 235,024 parameters.
        >>> Decoder(3, [1, 28, 28])(torch.zeros(2, 3)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self, in_channels: int, shape: Sequence[int], widths: Sequence[int] = (128, 256)
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.layers = nn.Sequential(*_layers([in_channels, *widths, math.prod(shape)]))

    def forward(self, latent: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        logit = self.layers(latent.flatten(1)).float()  # half precision is too coarse near -1 and 1
        return torch.tanh(logit / 2).unflatten(1, self.shape)


class Even(nn.Module):
    """Decoder made even by averaging its outputs at z and -z: a function on projective space.

    Args:
        decoder: any decoder.

    Example:
        >>> decoder = Even(Decoder(3, [1, 8, 8]))
        >>> z = torch.randn(1, 3)
        >>> torch.equal(decoder(z), decoder(-z))
        True
    """

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, latent: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        here, opposite = self.decoder(torch.cat([latent, -latent])).chunk(2)
        return (here + opposite) / 2


def _layers(sizes: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for read, written in itertools.pairwise(sizes):
        layers += [nn.ReLU(), nn.Linear(read, written)]
    return layers[1:]
