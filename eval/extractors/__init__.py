"""Networks that metrics need: feature extractors, and a regressor of molecules."""

from eval.extractors.chemnet import ChemNet
from eval.extractors.classifier import Classifier
from eval.extractors.clip import CLIPFeatures
from eval.extractors.dinov2 import DINOv2Features
from eval.extractors.extractor import Extractor, Features
from eval.extractors.inception import Inception
from eval.extractors.property_regressor import PropertyRegressor
from eval.extractors.videos import (
    C3D,
    I3D,
    ClipExtractor,
    MotionClassifier,
    ScriptedI3D,
    VideoMAE,
)

__all__ = [
    "C3D",
    "I3D",
    "CLIPFeatures",
    "ChemNet",
    "Classifier",
    "ClipExtractor",
    "DINOv2Features",
    "Extractor",
    "Features",
    "Inception",
    "MotionClassifier",
    "PropertyRegressor",
    "ScriptedI3D",
    "VideoMAE",
]
