"""Samplers and likelihoods: walks along a prior's process, between noise and latents."""

from ldm.samplers.adaptive import AdaptiveODE
from ldm.samplers.diffusers_scheduler import DiffusersScheduler
from ldm.samplers.geodesic_walk import GeodesicWalk
from ldm.samplers.guidance import Guidance
from ldm.samplers.likelihood import Likelihood, LikelihoodResult
from ldm.samplers.ode import EulerODE, HeunODE
from ldm.samplers.sampler import Sampler, Span, Unsolved, refuse_nan

__all__ = [
    "AdaptiveODE",
    "DiffusersScheduler",
    "EulerODE",
    "GeodesicWalk",
    "Guidance",
    "HeunODE",
    "Likelihood",
    "LikelihoodResult",
    "Sampler",
    "Span",
    "Unsolved",
    "refuse_nan",
]
