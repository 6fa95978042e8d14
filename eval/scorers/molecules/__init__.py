"""Scorers of molecules: of the samples of a prior, of the data, and of a tokenizer."""

from eval.scorers.molecules.property_errors import PropertyErrors
from eval.scorers.molecules.reconstructions import MoleculeReconstructions
from eval.scorers.molecules.scorers import MoleculeFloor, MoleculeSamples

__all__ = ["MoleculeFloor", "MoleculeReconstructions", "MoleculeSamples", "PropertyErrors"]
