"""Physical plausibility of molecules in space, by checks like those of PoseBusters.

Source: Buttenschoen, Morris and Deane, "PoseBusters", 2024: intramolecular checks, written anew on
RDKit's distance geometry. Its ratio of energies is in `energy`.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from data.chemistry.conversion import Mol, sanitized

__all__ = ["CHECKS", "plausibility"]

CHECKS = (
    *("one_piece", "bond_lengths", "bond_angles"),
    *("apart", "flat_rings", "flat_double_bonds"),
)

MISSED = 0.25  # of a bound, by which bonds and angles may miss it
CLASH = 0.3  # of the lower bound, by which atoms further apart may be closer
THICKNESS = 0.25  # Angstrom, by which atoms may be off their plane
DOUBLE_BOND = "[CX3](*)(*)=[CX3](*)(*)"  # aliphatic carbons and their neighbours


def plausibility(molecule: Mol) -> dict[str, bool] | None:
    """Check one molecule: each of `CHECKS` by its name; None if it is chemically invalid.

    A molecule is of one piece. Distances between bonded atoms, and between the outer atoms of an
    angle, may miss the bounds of distance geometry by 25 %, and others but hydrogens the lower one
    by 30 %. Aromatic rings of five and six atoms, and carbon-carbon double bonds with their
    neighbours, are within 0.25 Angstrom of a plane.

    Args:
        molecule: with a conformer.
    """
    from rdkit import Chem
    from rdkit.Chem import rdDistGeom

    whole = sanitized(molecule)
    if whole is None:
        return None
    points = whole.GetConformer().GetPositions()
    bounds = rdDistGeom.GetMoleculeBoundsMatrix(whole)  # upper bounds above the diagonal
    pairs = np.triu_indices(len(points), 1)
    upper, lower = bounds[pairs], bounds.T[pairs]
    distance = np.linalg.norm(points[pairs[0]] - points[pairs[1]], axis=-1)
    bonds_between = Chem.GetDistanceMatrix(whole)[pairs]
    near = (distance <= (1 + MISSED) * upper) & (distance >= (1 - MISSED) * lower)
    heavy = np.array([atom.GetAtomicNum() > 1 for atom in whole.GetAtoms()])
    apart = (distance >= (1 - CLASH) * lower) | ~(heavy[pairs[0]] & heavy[pairs[1]])
    double = Chem.MolFromSmarts(DOUBLE_BOND)
    return {
        "one_piece": len(Chem.GetMolFrags(whole)) == 1,
        "bond_lengths": bool(near[bonds_between == 1].all()),
        "bond_angles": bool(near[bonds_between == 2].all()),
        "apart": bool(apart[bonds_between > 2].all()),
        "flat_rings": all(_is_flat(points[list(ring)]) for ring in _aromatic_rings(whole)),
        "flat_double_bonds": all(
            _is_flat(points[list(group)]) for group in whole.GetSubstructMatches(double)
        ),
    }


def _aromatic_rings(molecule: Mol) -> Iterator[tuple[int, ...]]:
    for ring in molecule.GetRingInfo().AtomRings():
        if len(ring) in (5, 6) and all(molecule.GetAtomWithIdx(i).GetIsAromatic() for i in ring):
            yield ring


def _is_flat(points: Float64[np.ndarray, "n 3"]) -> bool:
    """Tell whether points are close to the plane that fits them best."""
    centred = points - points.mean(0)
    normal = np.linalg.svd(centred)[2][-1]
    return bool(np.abs(centred @ normal).max() <= THICKNESS)
