"""Samplers and likelihoods: walks along a prior's process, between noise and latents."""

from typing import Any

from ldm.samplers.adaptive import AdaptiveODE
from ldm.samplers.ddim import DDIM
from ldm.samplers.ddpm import DDPM
from ldm.samplers.euler_maruyama import EulerMaruyama
from ldm.samplers.flow_sde import FlowSDE
from ldm.samplers.geodesic_walk import GeodesicWalk
from ldm.samplers.guidance import Guidance
from ldm.samplers.inpainting import Inpainting
from ldm.samplers.likelihood import Likelihood, LikelihoodResult
from ldm.samplers.ode import EulerODE, HeunODE
from ldm.samplers.per_window import PerWindow
from ldm.samplers.plms import PLMS
from ldm.samplers.sampler import Sampler, Span, Unsolved, refuse_nan

__all__ = [
    "DDIM",
    "DDPM",
    "PLMS",
    "AdaptiveODE",
    "DiffusersScheduler",
    "EulerMaruyama",
    "EulerODE",
    "FlowSDE",
    "GeodesicWalk",
    "Guidance",
    "HeunODE",
    "Inpainting",
    "Likelihood",
    "LikelihoodResult",
    "PerWindow",
    "Sampler",
    "Span",
    "Unsolved",
    "refuse_nan",
]


def __getattr__(name: str) -> Any:
    if name == "DiffusersScheduler":  # at first use: diffusers takes long to import
        from ldm.samplers.diffusers_scheduler import DiffusersScheduler

        return DiffusersScheduler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
