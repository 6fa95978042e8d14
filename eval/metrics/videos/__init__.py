"""Metrics of videos: their motion, their drift, and their flicker."""

from eval.metrics.videos.drift import brightness, contrast, late_change
from eval.metrics.videos.motion import shifts, speed_distance, speeds

__all__ = ["brightness", "contrast", "late_change", "shifts", "speed_distance", "speeds"]
