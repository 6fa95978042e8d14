"""Parts of molecules by which sets are compared: scaffolds, fragments and fingerprints.

Sources: Bemis and Murcko, "The properties of known drugs", 1996; Degen et al., "On the art of
compiling and using drug-like chemical fragment spaces" (BRICS), 2008; Rogers and Hahn,
"Extended-connectivity fingerprints", 2010. All as in Polykovskiy et al., "Molecular sets (MOSES)",
2020.
"""

import numpy as np
from jaxtyping import Bool

from data.chemistry.conversion import Mol

__all__ = ["fingerprint", "fragments", "scaffold"]

RINGS = 2  # of a scaffold, at least: one ring says little of a molecule
RADIUS, BITS = 2, 1024  # of fingerprints


def scaffold(molecule: Mol) -> str | None:
    """SMILES of the rings and what links them; None with fewer than two rings.

    Args:
        molecule: sanitised, without hydrogens.

    Example:
        >>> from rdkit import Chem
        >>> scaffold(Chem.MolFromSmiles("Cc1ccccc1CC1CC1")), scaffold(Chem.MolFromSmiles("C1CC1"))
        ('c1ccc(CC2CC2)cc1', None)
    """
    from rdkit import Chem
    from rdkit.Chem.Scaffolds import MurckoScaffold

    found = MurckoScaffold.GetScaffoldForMol(molecule)
    return Chem.MolToSmiles(found) if found.GetRingInfo().NumRings() >= RINGS else None


def fragments(molecule: Mol) -> list[str]:
    """SMILES of the pieces after all bonds are cut that BRICS cuts.

    Args:
        molecule: sanitised, without hydrogens.

    Example:
        >>> from rdkit import Chem
        >>> fragments(Chem.MolFromSmiles("CCNC(C)=O"))
        ['[1*]C(C)=O', '[4*]CC', '[5*]N[5*]']
    """
    from rdkit import Chem

    return Chem.MolToSmiles(Chem.FragmentOnBRICSBonds(molecule)).split(".")


def fingerprint(molecule: Mol) -> Bool[np.ndarray, " 1024"]:
    """Bits of the neighbourhoods of atoms up to two bonds away (Morgan fingerprint).

    Args:
        molecule: sanitised, without hydrogens.
    """
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    generator = GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    return generator.GetFingerprintAsNumPy(molecule).astype(bool)
