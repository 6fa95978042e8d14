"""Enumeration of small neutral molecules, and their geometries by distance geometry and MMFF."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
from jaxtyping import Float64

from data.chemistry.conversion import Mol, quiet

__all__ = ["conformers", "enumerate_molecules"]

VALENCES = {"C": 4, "N": 3, "O": 2, "F": 1}
CUMULATED = "*=*=*"


def enumerate_molecules(heavy: int) -> list[str]:
    """SMILES of neutral molecules of up to `heavy` atoms of C, N, O and F, sorted.

    Molecules grow by one atom and one bond at a time; then at most one ring is closed. Left out
    are bonds between two of N, O and F, cumulated double bonds, rings with triple bonds,
    and three-membered rings with double bonds, whose real molecules are mostly unstable.

    Example:
        >>> enumerate_molecules(2)
        ['C', 'C#C', 'C#N', 'C=C', 'C=N', 'C=O', 'CC', 'CF', 'CN', 'CO', 'F', 'N', 'O']
    """
    from rdkit import Chem

    cumulated = Chem.MolFromSmarts(CUMULATED)
    level, found = set(VALENCES), set(VALENCES)
    with quiet():
        for _ in range(heavy - 1):
            level = {Chem.MolToSmiles(one) for smiles in level for one in _grown(smiles)}
            level = {one for one in level if not _matches(one, cumulated)}
            found |= level
            found |= {Chem.MolToSmiles(one) for smiles in level for one in _closed(smiles)}
    return sorted(found)


def conformers(
    smiles: str, count: int, seed: int
) -> tuple[list[int], Float64[np.ndarray, "c n 3"]]:
    """Geometries of a molecule with its hydrogens: ETKDG version 3, then MMFF94.

    Args:
        smiles: of the molecule.
        count: number of conformers; fewer where no more are found.
        seed: of distance geometry.

    Returns:
        Atomic numbers, and positions in Angstrom; without conformers that did not converge, and
        none of a molecule that MMFF has no parameters for.
    """
    from rdkit import Chem
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    how = rdDistGeom.ETKDGv3()
    how.randomSeed = seed
    made = list(rdDistGeom.EmbedMultipleConfs(molecule, count, how))
    ended = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(molecule, maxIters=1000)
    kept = [one for one, (unfinished, _) in zip(made, ended, strict=True) if unfinished == 0]
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    positions = [molecule.GetConformer(one).GetPositions() for one in kept]
    return numbers, np.array(positions).reshape(-1, len(numbers), 3)


def _grown(smiles: str) -> Iterator[Mol]:
    """Molecules of one more atom."""
    from rdkit import Chem

    parent = Chem.MolFromSmiles(smiles)
    for atom in parent.GetAtoms():
        for symbol, valence in VALENCES.items():
            if "C" in (symbol, atom.GetSymbol()):
                for order in range(1, min(atom.GetTotalNumHs(), valence, 3) + 1):
                    child = Chem.RWMol(parent)
                    added = child.AddAtom(Chem.Atom(symbol))
                    yield _bonded(child, atom.GetIdx(), added, order)


def _closed(smiles: str) -> Iterator[Mol]:
    """Molecules of one more single bond, which closes a ring."""
    from rdkit import Chem

    chain = Chem.MolFromSmiles(smiles)
    free = [atom for atom in chain.GetAtoms() if atom.GetTotalNumHs()]
    for first, second in combinations(free, 2):
        path = Chem.GetShortestPath(chain, first.GetIdx(), second.GetIdx())
        bonds = [chain.GetBondBetweenAtoms(*pair) for pair in pairwise(path)]
        largest = max(bond.GetBondTypeAsDouble() for bond in bonds)
        allowed = (0, 0, 0, 1, 2)[min(len(path), 4)]  # largest order in a ring of that many atoms
        if "C" in (first.GetSymbol(), second.GetSymbol()) and largest <= allowed:
            yield _bonded(Chem.RWMol(chain), first.GetIdx(), second.GetIdx(), 1)


def _bonded(molecule: Mol, first: int, second: int, order: int) -> Mol:
    """Add a bond; the implicit hydrogens of its atoms become fewer."""
    from rdkit import Chem

    kinds = [None, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE]
    molecule.AddBond(first, second, kinds[order])
    Chem.SanitizeMol(molecule)
    return molecule


def _matches(smiles: str, pattern: Mol) -> bool:
    from rdkit import Chem

    return Chem.MolFromSmiles(smiles).HasSubstructMatch(pattern)
