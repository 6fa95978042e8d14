"""Objectives: how a network is fitted to a process."""

from ldm.objectives.objective import Denoised, Objective
from ldm.objectives.regression import Regression

__all__ = ["Denoised", "Objective", "Regression"]
