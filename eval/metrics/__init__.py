"""Metrics: extractors aside, streamed statistics and closed formulas."""

from eval.metrics.codebook import CodebookUsage, codebook_usage, perplexity
from eval.metrics.frechet import FrechetDistance, FrechetStatistics, Moments, frechet_distance
from eval.metrics.inception_score import InceptionScore, inception_score
from eval.metrics.kernel import KernelDistance, kernel_distance, squared_mmd
from eval.metrics.manifold import ManifoldScores, manifold_scores
from eval.metrics.pairs import PairScores, psnr, ssim
from eval.metrics.pixels import from_uint8, to_uint8

__all__ = [
    "CodebookUsage",
    "FrechetDistance",
    "FrechetStatistics",
    "InceptionScore",
    "KernelDistance",
    "ManifoldScores",
    "Moments",
    "PairScores",
    "codebook_usage",
    "frechet_distance",
    "from_uint8",
    "inception_score",
    "kernel_distance",
    "manifold_scores",
    "perplexity",
    "psnr",
    "squared_mmd",
    "ssim",
    "to_uint8",
]
