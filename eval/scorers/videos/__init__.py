"""Scorers of videos."""

from eval.scorers.videos.motion import Motion

__all__ = ["Motion"]
