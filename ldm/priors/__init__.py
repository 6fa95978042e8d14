"""Priors: distributions over latents."""

from ldm.priors.denoiser import Denoiser
from ldm.priors.prior import Prior

__all__ = ["Denoiser", "Prior"]
