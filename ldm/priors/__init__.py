"""Priors: distributions over latents."""

from ldm.priors.denoiser import Denoiser
from ldm.priors.prior import Prior
from ldm.priors.successive import Successive

__all__ = ["Denoiser", "Prior", "Successive"]
