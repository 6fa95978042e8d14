"""Priors: distributions over latents."""

from ldm.priors.denoiser import Denoiser
from ldm.priors.extended import Extended
from ldm.priors.frame_conditional import FrameConditional
from ldm.priors.hierarchy import Hierarchy
from ldm.priors.prior import Prior
from ldm.priors.successive import Successive

__all__ = ["Denoiser", "Extended", "FrameConditional", "Hierarchy", "Prior", "Successive"]
