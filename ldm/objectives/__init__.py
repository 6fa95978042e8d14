"""Objectives: losses that fit a network to a process."""

from ldm.objectives.alignment import Alignment
from ldm.objectives.atom_features import AtomFeatures
from ldm.objectives.bridge_matching import BridgeMatching
from ldm.objectives.denoising import DenoisingScoreMatching
from ldm.objectives.drift_matching import DriftMatching
from ldm.objectives.flow_matching import FlowMatching
from ldm.objectives.implicit import ImplicitScoreMatching
from ldm.objectives.in_frame import InFrame
from ldm.objectives.learned_variance import LearnedVariance
from ldm.objectives.objective import Objective
from ldm.objectives.regression import Regression
from ldm.objectives.variational_bound import VariationalBound

__all__ = [
    "Alignment",
    "AtomFeatures",
    "BridgeMatching",
    "DenoisingScoreMatching",
    "DriftMatching",
    "FlowMatching",
    "ImplicitScoreMatching",
    "InFrame",
    "LearnedVariance",
    "Objective",
    "Regression",
    "VariationalBound",
]
