"""Feature extractors for metrics of images."""

from eval.extractors.classifier import Classifier
from eval.extractors.extractor import Extractor, Features
from eval.extractors.inception import Inception

__all__ = ["Classifier", "Extractor", "Features", "Inception"]
