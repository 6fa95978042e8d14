"""Scorers of molecules, and of graphs of molecules: of samples, of data, and of a tokenizer."""

from eval.scorers.molecules.chemnet_distance import ChemNetDistance
from eval.scorers.molecules.property_errors import PropertyErrors
from eval.scorers.molecules.reconstructions import MoleculeReconstructions
from eval.scorers.molecules.scorers import MoleculeFloor, MoleculeSamples
from eval.scorers.molecules.similarities import MoleculeSimilarities

__all__ = [
    "ChemNetDistance",
    "MoleculeFloor",
    "MoleculeReconstructions",
    "MoleculeSamples",
    "MoleculeSimilarities",
    "PropertyErrors",
]
