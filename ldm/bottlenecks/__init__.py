"""Bottlenecks between encoder and decoder: posteriors and quantisers."""

from ldm.bottlenecks.binary_spherical import BinarySphericalQuantizer
from ldm.bottlenecks.bottleneck import Bottleneck, DiscreteBottleneck, Encoded, Variational
from ldm.bottlenecks.ema_vector import EMAVectorQuantizer
from ldm.bottlenecks.finite_scalar import FiniteScalarQuantizer
from ldm.bottlenecks.fixed_gaussian import FixedGaussian
from ldm.bottlenecks.gaussian import Gaussian
from ldm.bottlenecks.lookup_free import LookupFreeQuantizer
from ldm.bottlenecks.manifold_posterior import ManifoldPosterior
from ldm.bottlenecks.nearest import nearest
from ldm.bottlenecks.passthrough import Passthrough
from ldm.bottlenecks.residual import ResidualQuantizer
from ldm.bottlenecks.scalar import ScalarQuantizer
from ldm.bottlenecks.spherical import GroupedSphericalQuantizer
from ldm.bottlenecks.tanh import Tanh
from ldm.bottlenecks.vector import VectorQuantizer

__all__ = [
    "BinarySphericalQuantizer",
    "Bottleneck",
    "DiscreteBottleneck",
    "EMAVectorQuantizer",
    "Encoded",
    "FiniteScalarQuantizer",
    "FixedGaussian",
    "Gaussian",
    "GroupedSphericalQuantizer",
    "LookupFreeQuantizer",
    "ManifoldPosterior",
    "Passthrough",
    "ResidualQuantizer",
    "ScalarQuantizer",
    "Tanh",
    "Variational",
    "VectorQuantizer",
    "nearest",
]
