"""Samplers: how a prior is turned into latents."""

from ldm.samplers.guidance import Guidance
from ldm.samplers.ode import EulerODE, HeunODE
from ldm.samplers.sampler import Sampler
from ldm.samplers.schedulers import Scheduler

__all__ = ["EulerODE", "Guidance", "HeunODE", "Sampler", "Scheduler"]
