"""Losses of tokenizers: reconstruction, perceptual and adversarial."""

from ldm.losses.adversarial import Adversarial
from ldm.losses.adversaries import Adversaries
from ldm.losses.alignment import Alignment
from ldm.losses.atoms import AtomError
from ldm.losses.dino_discriminator import DINODiscriminator
from ldm.losses.dinov2 import DINOv2, PatchFeatures
from ldm.losses.equivariance import RegionEquivariance
from ldm.losses.graphs import EdgeError, NodeError
from ldm.losses.lpips import LPIPS
from ldm.losses.penalties import GradientPenalty, LeCam
from ldm.losses.pyramid import PyramidPerceptual
from ldm.losses.reconstruction import ReconstructionLoss
from ldm.losses.regularizer import LinearWeight, Regularizer, Weight, weight_at
from ldm.losses.wavelets import WaveletError

__all__ = [
    "LPIPS",
    "Adversarial",
    "Adversaries",
    "Alignment",
    "AtomError",
    "DINODiscriminator",
    "DINOv2",
    "EdgeError",
    "GradientPenalty",
    "LeCam",
    "LinearWeight",
    "NodeError",
    "PatchFeatures",
    "PyramidPerceptual",
    "ReconstructionLoss",
    "RegionEquivariance",
    "Regularizer",
    "WaveletError",
    "Weight",
    "weight_at",
]
