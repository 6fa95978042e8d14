"""Networks that metrics need: feature extractors, and a regressor of molecules."""

from eval.extractors.chemnet import ChemNet
from eval.extractors.classifier import Classifier
from eval.extractors.extractor import Extractor, Features
from eval.extractors.inception import Inception
from eval.extractors.property_regressor import PropertyRegressor

__all__ = ["ChemNet", "Classifier", "Extractor", "Features", "Inception", "PropertyRegressor"]
