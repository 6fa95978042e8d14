"""Networks that read videos, for the metrics of videos."""

from eval.extractors.videos.c3d import C3D
from eval.extractors.videos.clip_extractor import ClipExtractor
from eval.extractors.videos.i3d import I3D, ScriptedI3D
from eval.extractors.videos.motion_classifier import MotionClassifier
from eval.extractors.videos.videomae import VideoMAE

__all__ = ["C3D", "I3D", "ClipExtractor", "MotionClassifier", "ScriptedI3D", "VideoMAE"]
