"""Strain of conformers: how far their energy is above that of a minimum close by."""

from collections.abc import Sequence

from data.chemistry.conversion import Mol, quiet, sanitized

__all__ = ["strain_energies"]

STEPS = 500  # of minimisation


def strain_energies(molecules: Sequence[Mol]) -> list[float]:
    """MMFF94 energies above those after minimisation, kcal/mol.

    Molecules that are invalid or that MMFF has no parameters for are left out. All hydrogens must
    be there: implicit ones would have no places.

    Args:
        molecules: with a conformer each.
    """
    from rdkit.Chem import rdForceFieldHelpers as fields

    found = []
    with quiet():
        for molecule in molecules:
            relaxed = sanitized(molecule)
            if relaxed is None or not fields.MMFFHasAllMoleculeParams(relaxed):
                continue
            properties = fields.MMFFGetMoleculeProperties(relaxed)
            field = fields.MMFFGetMoleculeForceField(relaxed, properties)
            before = field.CalcEnergy()
            field.Minimize(maxIts=STEPS)
            found.append(before - field.CalcEnergy())
    return found
