"""The energy of a conformer against those of others of its molecule, the last check of PoseBusters.

Source: Buttenschoen, Morris and Deane, "PoseBusters", 2024: UFF energies, and ETKDGv3 conformers
that are minimised in 200 steps.
"""

from data.chemistry.conversion import Mol, sanitized

__all__ = ["energy_ratio"]

STEPS = 200  # of minimisation
LEAST = 1.0  # kcal/mol: conformers of molecules of a few atoms have nearly no energy


def energy_ratio(molecule: Mol, conformers: int = 10, seed: int = 1) -> float | None:
    """Energy of a molecule as it is over the mean of new conformers, of which 1 kcal/mol counts.

    Args:
        molecule: with a conformer; all hydrogens must be there.
        conformers: number of new ones; PoseBusters makes 50.
        seed: of these, from 1: RDKit makes all the same of 0.

    Returns:
        The ratio; None of invalid molecules, those that UFF has no parameters for, and those that
        no conformer could be made of.
    """
    from rdkit import Chem
    from rdkit.Chem import rdDistGeom
    from rdkit.Chem import rdForceFieldHelpers as fields

    whole = sanitized(molecule)
    if whole is None or not fields.UFFHasAllMoleculeParams(whole):
        return None
    others, options = Chem.Mol(whole), rdDistGeom.ETKDGv3()
    options.randomSeed = seed
    if not list(rdDistGeom.EmbedMultipleConfs(others, conformers, options)):
        return None
    energies = [energy for _, energy in fields.UFFOptimizeMoleculeConfs(others, maxIters=STEPS)]
    mean = sum(energies) / len(energies)
    return fields.UFFGetMoleculeForceField(whole).CalcEnergy() / max(mean, LEAST)
