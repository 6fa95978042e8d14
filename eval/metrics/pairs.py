"""Scores of reconstructions against their originals: PSNR, SSIM and a perceptual distance.

Sources: Wang et al., "Image quality assessment: from error visibility to structural similarity",
2004, of SSIM; Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality
assessment", 2003, of MS-SSIM.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, UInt8
from torch import Tensor, nn
from torchmetrics import Metric

from eval.metrics.pixels import frames_of, from_uint8

__all__ = ["PairScores", "flicker", "ms_ssim", "psnr", "ssim"]

SSIM_WINDOW = 11
"""Side of the Gaussian window in pixels; SSIM is undefined for smaller images."""

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's scales, the finest first."""

SMALLEST = (SSIM_WINDOW - 1) * 2 ** (len(SCALES) - 1) + 1
"""Least side of images for MS-SSIM, pixels."""


def psnr(
    x: UInt8[Tensor, "batch channel height width"], y: UInt8[Tensor, "batch channel height width"]
) -> Float[Tensor, " batch"]:
    """Compute each pair's peak signal-to-noise ratio, dB, peak 255; infinite for equal images.

    Example:
        >>> grey = torch.full((1, 3, 4, 4), 100, dtype=torch.uint8)
        >>> round(psnr(grey, grey + 1).item(), 4)
        48.1308
    """
    return _decibels(_squared_error(x, y))


def _squared_error(x: Tensor, y: Tensor) -> Float[Tensor, " batch"]:
    if x.shape != y.shape:
        raise ValueError(f"pairs need one shape, got {tuple(x.shape)} and {tuple(y.shape)}")
    return (x.double() - y.double()).square().flatten(1).mean(dim=1)


def _decibels(squared_error: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    return 10 * (255**2 / squared_error).log10()


def ssim(
    x: UInt8[Tensor, "batch channel height width"], y: UInt8[Tensor, "batch channel height width"]
) -> Float[Tensor, " batch"]:
    """Compute the structural similarity of each pair: 1 for equal images.

    As in the paper, for each colour: Gaussian window of 11 pixels and standard deviation 1.5,
    constants 0.01 and 0.03, range 255, mean over channels and over windows inside the image.
    TorchMetrics 1.9 also averages over windows that are padded at the border.

    Raises:
        ValueError: a side is shorter than the window.
    """
    if min(x.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(
            f"SSIM needs {SSIM_WINDOW} pixels or more a side, got {tuple(x.shape[-2:])}"
        )
    luminance, structure = _similarity(x.double(), y.double())  # autocast rounds no float64
    return (luminance * structure).flatten(1).mean(dim=1)


def ms_ssim(
    x: UInt8[Tensor, "batch channel height width"], y: UInt8[Tensor, "batch channel height width"]
) -> Float[Tensor, " batch"]:
    """Compute the structural similarity of each pair over five scales: 1 for equal images.

    For each colour, the product over scales of the mean contrast and structure, that of the
    coarsest with luminance, each to its exponent; pixels are averaged in blocks of 2 x 2 from one
    scale to the next. Means below zero count as zero, as in other implementations.

    Raises:
        ValueError: a side is shorter than 161 pixels.
    """
    if min(x.shape[-2:]) < SMALLEST:
        raise ValueError(
            f"MS-SSIM needs {SMALLEST} pixels or more a side, got {tuple(x.shape[-2:])}"
        )
    x, y, product = x.double(), y.double(), 1.0
    for level, exponent in enumerate(SCALES):
        luminance, structure = _similarity(x, y)
        coarsest = level == len(SCALES) - 1
        factor = (luminance * structure if coarsest else structure).mean(dim=(2, 3))
        product = product * factor.clamp(min=0) ** exponent
        x, y = (F.avg_pool2d(one, 2, ceil_mode=True) for one in (x, y))
    return product.mean(dim=1)


def _similarity(
    x: Float[Tensor, "batch channel height width"], y: Float[Tensor, "batch channel height width"]
) -> tuple[Tensor, Tensor]:
    """Similarity of luminance, and of contrast and structure, in every window inside the image."""
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return luminance, structure


def _blur(x: Float[Tensor, "batch channel height width"]) -> Tensor:
    offset = torch.arange(SSIM_WINDOW, dtype=x.dtype, device=x.device) - SSIM_WINDOW // 2
    window = (-offset.square() / (2 * 1.5**2)).exp()
    window = window / window.sum()
    planes = x.flatten(0, 1)[:, None]
    rows = F.conv2d(planes, window.view(1, 1, 1, -1))
    return F.conv2d(rows, window.view(1, 1, -1, 1)).unflatten(0, x.shape[:2])[:, :, 0]


def flicker(x: UInt8[Tensor, "n c t h w"], y: UInt8[Tensor, "n c t h w"]) -> Float64[Tensor, " n"]:
    """Compute the mean size of the error's change from each frame to the next, levels of 255.

    Zero where all frames err alike, which PSNR cannot tell from an error that comes and goes.

    Example:
        >>> clip = torch.zeros(1, 3, 4, 8, 8, dtype=torch.uint8)
        >>> bright = clip + torch.tensor([0, 10, 0, 10], dtype=torch.uint8).view(4, 1, 1)
        >>> flicker(bright, clip).item(), flicker(clip + 10, clip).item()
        (10.0, 0.0)
    """
    error = x.double() - y.double()
    return error.diff(dim=2).abs().flatten(1).mean(dim=1)


class PairScores(Metric):
    """PSNR, SSIM and a perceptual distance over all pairs seen on all ranks; flicker of clips.

    Frames of clips count as images. `compute` returns `psnr`, the mean over images, infinite if any
    pair is equal; `psnr_pooled`, from the mean squared error of all images, never above `psnr`;
    `ssim`, unless images are smaller than its window; `ms_ssim`, unless they are smaller than 161
    pixels; the means of the given distances; and `flicker` of clips of two frames or more.

    Args:
        **distances: by their names, each a map of two batches of images in [-1, 1] to one number
            per pair, such as LPIPS.

    Example:
        >>> metric = PairScores()
        >>> x = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
        >>> metric.update(x, x + 1)
        >>> sorted(metric.compute())
        ['psnr', 'psnr_pooled', 'ssim']
    """

    full_state_update = False

    def __init__(self, **distances: nn.Module) -> None:
        super().__init__()
        self.distances = nn.ModuleDict(distances)
        for name in (
            "n",
            "squared_error",
            "psnr",
            "ssim",
            "ms_ssim",
            *distances,
            "clips",
            "flicker",
        ):
            zero = torch.tensor(0.0, dtype=torch.float64)
            self.add_state(name, default=zero, dist_reduce_fx="sum")

    def update(
        self,
        x: UInt8[Tensor, "batch channel *frames height width"],
        y: UInt8[Tensor, "batch channel *frames height width"],
    ) -> None:
        """Add pairs of images or clips in 0..255: `x` reconstructed, `y` original."""
        if x.ndim > 4 and x.shape[2] > 1:
            self.clips += len(x)
            self.flicker += flicker(x, y).sum()
        x, y = frames_of(x), frames_of(y)
        squared_error = _squared_error(x, y)
        self.n += len(x)
        self.squared_error += squared_error.sum()
        self.psnr += _decibels(squared_error).sum()
        side = min(x.shape[-2:])
        self.ssim += ssim(x, y).sum() if side >= SSIM_WINDOW else torch.nan
        self.ms_ssim += ms_ssim(x, y).sum() if side >= SMALLEST else torch.nan
        for name, distance in self.distances.items():
            with torch.no_grad():
                total = distance(from_uint8(x), from_uint8(y)).double().sum()
            setattr(self, name, getattr(self, name) + total)

    def compute(self) -> dict[str, Tensor]:
        """Return the scores; raises ValueError before the first pair."""
        if not self.n:
            raise ValueError("no pairs were given")
        scores = {
            "psnr": self.psnr / self.n,
            "psnr_pooled": _decibels(self.squared_error / self.n),
        }
        for name in ("ssim", "ms_ssim"):
            if not (total := getattr(self, name)).isnan():
                scores[name] = total / self.n
        scores |= {name: getattr(self, name) / self.n for name in self.distances}
        if self.clips:
            scores["flicker"] = self.flicker / self.clips
        return scores
