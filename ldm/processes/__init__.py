"""Processes: how a latent is noised."""

from ldm.processes.diffusion import GaussianDiffusion
from ldm.processes.flow import LinearFlow
from ldm.processes.process import GaussianProcess, Process

__all__ = ["GaussianDiffusion", "GaussianProcess", "LinearFlow", "Process"]
