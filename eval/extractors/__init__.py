"""Networks that metrics need: feature extractors of images, a regressor of molecules."""

from eval.extractors.classifier import Classifier
from eval.extractors.extractor import Extractor, Features
from eval.extractors.inception import Inception
from eval.extractors.property_regressor import PropertyRegressor

__all__ = ["Classifier", "Extractor", "Features", "Inception", "PropertyRegressor"]
