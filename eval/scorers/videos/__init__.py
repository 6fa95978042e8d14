"""Scorers of videos."""

from eval.scorers.videos.frames import FrameDistance
from eval.scorers.videos.fvd import FVD, ReconstructionFVD
from eval.scorers.videos.motion import Motion

__all__ = ["FVD", "FrameDistance", "Motion", "ReconstructionFVD"]
