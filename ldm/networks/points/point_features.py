"""Input features of perceptrons: sinusoids, angles and spherical harmonics.

All are smooth functions of ambient coordinates without branches on values, so they can be
differentiated to any order in both modes. `out_features` is the number of features of each.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = [
    "CircleAngles",
    "FourierFeatures",
    "RandomFourierFeatures",
    "SinusoidalTime",
    "SphericalHarmonics",
]


class Waves(nn.Module):
    """Sines, followed by cosines, of fixed linear functions of the input.

    Args:
        frequencies: one wave vector per row, in radians per unit of each coordinate; saved with
            the weights but not trained.
    """

    def __init__(self, frequencies: Float[Tensor, "waves dim"]) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)
        self.out_features = 2 * len(frequencies)

    def forward(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n features"]:
        # Not a matrix product, which autocast and TF32 would round: phases reach 1000 radians.
        phase = (x[:, None] * self.frequencies).sum(2)
        return torch.cat([phase.sin(), phase.cos()], 1)


class FourierFeatures(Waves):
    """Sines and cosines of k x for k = 1, ..., `frequencies` and every angle x, in radians.

    Source: Chen and Lipman, "Flow matching on general geometries", 2024 (tori; 32 frequencies).

    Example:
        >>> FourierFeatures(2, frequencies=32)(torch.zeros(5, 2)).shape
        torch.Size([5, 128])
    """

    def __init__(self, in_features: int, frequencies: int) -> None:
        k = torch.arange(1.0, frequencies + 1)
        super().__init__(torch.kron(torch.eye(in_features), k[:, None]))


class RandomFourierFeatures(Waves):
    """Waves in random directions with frequencies spaced geometrically over [`lowest`, `highest`].

    Geometric spacing covers all scales of the data evenly: points on the earth cluster at scales
    from a kilometre to a continent. Source: Tancik et al., "Fourier features let networks learn
    high frequency functions in low dimensional domains", 2020, who draw frequencies from a normal
    distribution instead.

    Args:
        dim: number of ambient coordinates.
        waves: number of waves; each gives two features.
        lowest, highest: range of frequencies, radians per unit of length.

    Example:
        >>> RandomFourierFeatures(3, waves=64, highest=300.0)(torch.zeros(5, 3)).shape
        torch.Size([5, 128])
    """

    def __init__(
        self, in_features: int, waves: int, lowest: float = 1.0, highest: float = 100.0
    ) -> None:
        directions = F.normalize(torch.randn(waves, in_features), dim=1)
        scale = torch.logspace(math.log10(lowest), math.log10(highest), waves)
        super().__init__(directions * scale[:, None])


class SinusoidalTime(Waves):
    """Sinusoidal embedding of times, with frequencies from `scale` down to 1e-4 `scale`.

    Source: Vaswani et al., "Attention is all you need", 2017, section 3.5.

    Args:
        features: number of features, even.
        scale: the highest frequency, radians per unit of time; 1000 maps times in [0, 1] to the
            range of 1000 timesteps.

    Raises:
        ValueError: `features` is odd.
    """

    def __init__(self, features: int = 256, scale: float = 1000.0) -> None:
        if features % 2:
            raise ValueError(f"sines and cosines come in pairs: make features even, got {features}")
        half = features // 2
        super().__init__(scale * 1e4 ** -(torch.arange(half) / half)[:, None])

    def forward(self, t: Float[Tensor, " n"]) -> Float[Tensor, "n features"]:
        return super().forward(t[:, None])


class CircleAngles(nn.Module):
    """Angles in [0, 2 pi) of points of a torus stored as pairs (cos, sin), or their features.

    The angles jump by 2 pi at one point of each circle (so do those that Chen and Lipman use for
    proteins and RNA); `FourierFeatures` of them are continuous.

    Args:
        circles: number of circles of the torus.
        features: module applied to the angles; None for the angles themselves.

    Example:
        >>> CircleAngles(7, FourierFeatures(7, 32))(torch.ones(5, 14)).shape
        torch.Size([5, 448])
    """

    def __init__(self, circles: int, features: nn.Module | None = None) -> None:
        super().__init__()
        self.features = features
        self.out_features = circles if features is None else features.out_features

    def forward(self, x: Float[Tensor, "n coordinates"]) -> Float[Tensor, "n features"]:
        angle = torch.atan2(x[:, 1::2], x[:, 0::2]) % (2 * math.pi)
        return angle if self.features is None else self.features(angle)


class SphericalHarmonics(nn.Module):
    """Orthonormal real spherical harmonics of points on S^2, of all degrees up to `degree`.

    Feature `n^2 + n + m` is Y_nm: proportional to sin(|m| phi) for m < 0, to cos(m phi) for m > 0,
    without the Condon-Shortley phase. They are computed as polynomials in x, y, z, which are
    regular at the poles, by the recurrence upward in the degree at fixed order, which is stable
    (Press et al., "Numerical recipes", 3rd edition, section 6.7).

    Example:
        >>> SphericalHarmonics(2)(torch.tensor([[0.0, 0.0, 1.0]]))[0, [0, 2, 6]]
        tensor([0.2821, 0.4886, 0.6308])
    """

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree
        self.out_features = (degree + 1) ** 2

    def forward(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n features"]:
        z, order = x[:, 2:], torch.arange(self.degree, dtype=x.dtype, device=x.device)
        cosine, sine = _circular(x[:, 0:1], x[:, 1:2], self.degree)
        top = math.sqrt(1 / (4 * math.pi))
        # `last` and `before`: normalised P_nm / sin^m of degrees n - 1 and n - 2, by order m.
        last, before = torch.full_like(z, top), torch.zeros_like(z)
        harmonics = [last]
        for n in range(1, self.degree + 1):
            m2 = order[:n].square()
            a = ((4 * n**2 - 1) / (n**2 - m2)).sqrt()
            b = (((n - 1) ** 2 - m2) / (4 * (n - 1) ** 2 - 1)).sqrt()
            top *= math.sqrt((2 * n + 1) / (2 * n))
            now = torch.cat([a * (z * last - b * before), torch.full_like(z, top)], 1)
            last, before = now, F.pad(last, (0, 1))
            twice = math.sqrt(2) * now[:, 1:]
            harmonics += [(twice * sine[:, :n]).flip(1), now[:, :1], twice * cosine[:, :n]]
        return torch.cat(harmonics, 1)


def _circular(
    x: Float[Tensor, "n 1"], y: Float[Tensor, "n 1"], degree: int
) -> tuple[Float[Tensor, "n degree"], Float[Tensor, "n degree"]]:
    """Compute real and imaginary parts of (x + i y)^m for m = 1, ..., `degree`."""
    real, imaginary = [x], [y]
    for _ in range(1, degree):
        re, im = real[-1], imaginary[-1]
        real.append(x * re - y * im)
        imaginary.append(x * im + y * re)
    return torch.cat(real, 1), torch.cat(imaginary, 1)
