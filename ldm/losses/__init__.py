"""Losses of tokenizers: reconstruction, perceptual and adversarial."""

from ldm.losses.adversarial import Adversarial
from ldm.losses.atoms import AtomError
from ldm.losses.graphs import EdgeError, NodeError
from ldm.losses.lpips import LPIPS
from ldm.losses.reconstruction import ReconstructionLoss
from ldm.losses.regularizer import Regularizer

__all__ = [
    "LPIPS",
    "Adversarial",
    "AtomError",
    "EdgeError",
    "NodeError",
    "ReconstructionLoss",
    "Regularizer",
]
