"""Priors: distributions over latents."""

from ldm.conditioning.labels import LabelDropout
from ldm.priors.denoiser import Denoiser
from ldm.priors.prior import Prior

__all__ = ["Denoiser", "LabelDropout", "Prior"]
