"""Metrics of samples, reconstructions and densities, computed from features or scores."""

from eval.metrics.cmmd import CMMD, cmmd
from eval.metrics.codebook import CodebookUsage, codebook_usage, perplexity
from eval.metrics.detection import detection_scores
from eval.metrics.extrapolation import FrechetInfinity, frechet_infinity
from eval.metrics.frechet import (
    FrechetDistance,
    FrechetStatistics,
    Moments,
    frechet_distance,
    frechet_distance_svd,
)
from eval.metrics.inception_score import InceptionScore, inception_score
from eval.metrics.kernel import KernelDistance, kernel_distance, squared_mmd
from eval.metrics.kernel_density import (
    KAPPAS,
    kernel_density_nll,
    kernel_log_density,
    von_mises_fisher_log_peak,
)
from eval.metrics.pairs import PairScores, ms_ssim, psnr, ssim
from eval.metrics.pixels import frames_of, from_uint8, to_uint8, truncated
from eval.metrics.prdc import PRDC, prdc_scores
from eval.metrics.sample_size import effective_sample_size
from eval.metrics.seeds import SeedSpread, seed_spread
from eval.metrics.two_sample import Discrepancy, GaussianKernel, discrepancy, median_distance

__all__ = [
    "CMMD",
    "KAPPAS",
    "PRDC",
    "CodebookUsage",
    "Discrepancy",
    "FrechetDistance",
    "FrechetInfinity",
    "FrechetStatistics",
    "GaussianKernel",
    "InceptionScore",
    "KernelDistance",
    "Moments",
    "PairScores",
    "SeedSpread",
    "cmmd",
    "codebook_usage",
    "detection_scores",
    "discrepancy",
    "effective_sample_size",
    "frames_of",
    "frechet_distance",
    "frechet_distance_svd",
    "frechet_infinity",
    "from_uint8",
    "inception_score",
    "kernel_density_nll",
    "kernel_distance",
    "kernel_log_density",
    "median_distance",
    "ms_ssim",
    "perplexity",
    "prdc_scores",
    "psnr",
    "seed_spread",
    "squared_mmd",
    "ssim",
    "to_uint8",
    "truncated",
    "von_mises_fisher_log_peak",
]
