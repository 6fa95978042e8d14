"""Networks that read videos, for the metrics of videos."""

from eval.extractors.videos.i3d import I3D
from eval.extractors.videos.motion_classifier import MotionClassifier

__all__ = ["I3D", "MotionClassifier"]
