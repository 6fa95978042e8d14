"""Processes that noise latents, and the rates by which samplers undo them."""

from ldm.processes.brownian import Brownian
from ldm.processes.diffusion import GaussianDiffusion
from ldm.processes.flow import (
    Interpolant,
    LinearFlow,
    TrigonometricFlow,
    VariancePreservingFlow,
)
from ldm.processes.geodesic_flow import Flow, GeodesicFlow
from ldm.processes.langevin import Langevin
from ldm.processes.lattice_bridge import LatticeBridge
from ldm.processes.learned_diffusion import LearnedDiffusion
from ldm.processes.mixture import DiffusionMixture
from ldm.processes.ornstein_uhlenbeck import OrnsteinUhlenbeck
from ldm.processes.predictions import (
    Denoised,
    DenoisedVariance,
    Drift,
    Drifts,
    Prediction,
    Score,
    Velocity,
    combined,
)
from ldm.processes.premetric_flow import PremetricFlow
from ldm.processes.process import GaussianProcess, Process
from ldm.processes.times import LogitNormal

__all__ = [
    "Brownian",
    "Denoised",
    "DenoisedVariance",
    "DiffusionMixture",
    "Drift",
    "Drifts",
    "Flow",
    "GaussianDiffusion",
    "GaussianProcess",
    "GeodesicFlow",
    "Interpolant",
    "Langevin",
    "LatticeBridge",
    "LearnedDiffusion",
    "LinearFlow",
    "LogitNormal",
    "OrnsteinUhlenbeck",
    "Prediction",
    "PremetricFlow",
    "Process",
    "Score",
    "TrigonometricFlow",
    "VariancePreservingFlow",
    "Velocity",
    "combined",
]
