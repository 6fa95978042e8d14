"""Scorers of molecules: of the samples of a prior, and of the data themselves."""

from eval.scorers.molecules.scorers import MoleculeFloor, MoleculeSamples

__all__ = ["MoleculeFloor", "MoleculeSamples"]
