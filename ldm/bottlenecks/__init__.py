"""Bottlenecks between encoder and decoder: posteriors and quantisers."""

from ldm.bottlenecks.bottleneck import Bottleneck, DiscreteBottleneck, Encoded, Variational
from ldm.bottlenecks.ema_vector import EMAVectorQuantizer
from ldm.bottlenecks.fixed_gaussian import FixedGaussian
from ldm.bottlenecks.gaussian import Gaussian
from ldm.bottlenecks.manifold_posterior import ManifoldPosterior
from ldm.bottlenecks.nearest import nearest
from ldm.bottlenecks.passthrough import Passthrough
from ldm.bottlenecks.scalar import ScalarQuantizer
from ldm.bottlenecks.spherical import GroupedSphericalQuantizer
from ldm.bottlenecks.vector import VectorQuantizer

__all__ = [
    "Bottleneck",
    "DiscreteBottleneck",
    "EMAVectorQuantizer",
    "Encoded",
    "FixedGaussian",
    "Gaussian",
    "GroupedSphericalQuantizer",
    "ManifoldPosterior",
    "Passthrough",
    "ScalarQuantizer",
    "Variational",
    "VectorQuantizer",
    "nearest",
]
