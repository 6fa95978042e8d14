"""Each check passes for a molecule at its minimum, and fails where that alone is broken."""

import numpy as np
import pytest
import torch

from data.chemistry.conversion import quiet, to_mols
from data.chemistry.enumeration import conformers
from data.chemistry.plausibility import CHECKS, plausibility


def molecule(smiles: str):
    """A molecule of RDKit at its minimum; its conformer can be moved."""
    from rdkit import Chem

    numbers, positions = conformers(smiles, 1, seed=1)
    made = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert [atom.GetAtomicNum() for atom in made.GetAtoms()] == numbers
    conformer = Chem.Conformer(len(numbers))
    conformer.SetPositions(positions[0].copy())
    made.AddConformer(conformer)
    return made


def moved(smiles: str, atoms: list[int], by: list[float]):
    made = molecule(smiles)
    conformer = made.GetConformer()
    points = conformer.GetPositions()
    points[atoms] += by
    conformer.SetPositions(points)
    return made


def failed(made) -> set[str]:
    return {name for name, passed in plausibility(made).items() if not passed}


@pytest.mark.parametrize("smiles", ["CCO", "C=C", "c1ccoc1", "CC(C)=O", "C1CC1"])
def test_minima_are_plausible(smiles):
    assert list(plausibility(molecule(smiles))) == list(CHECKS)
    assert not failed(molecule(smiles))


def test_atoms_without_bonds_are_no_molecule():
    numbers = torch.tensor([[6, 6]])
    apart = to_mols(numbers, torch.zeros(1, 2, 2, dtype=torch.int64), torch.eye(3)[None, :2] * 9)
    assert failed(apart[0]) == {"one_piece"}


def test_a_stretched_bond_fails():
    assert "bond_lengths" in failed(moved("C", [1], [1.5, 0, 0]))


def test_a_folded_angle_fails():
    made = molecule("CCC")
    conformer = made.GetConformer()
    points = conformer.GetPositions()
    points[2] = points[1] + 0.99 * (points[0] - points[1]) + [0.2, 0, 0]
    conformer.SetPositions(points)
    assert "bond_angles" in failed(made)


def test_chains_whose_ends_meet_clash():
    made = molecule("CCCCC")
    conformer = made.GetConformer()
    points = conformer.GetPositions()
    points[4] = points[0] + [0.5, 0, 0]
    conformer.SetPositions(points)
    assert "apart" in failed(made)


def test_bent_rings_and_double_bonds_are_not_flat():
    def off_plane(smiles: str, atom: int):
        made = molecule(smiles)
        conformer = made.GetConformer()
        points = conformer.GetPositions()
        heavy = points[:4] - points[:4].mean(0)
        points[atom] += 1.2 * np.linalg.svd(heavy)[2][-1]
        conformer.SetPositions(points)
        return made

    assert "flat_rings" in failed(off_plane("c1ccoc1", 0))
    assert "flat_double_bonds" in failed(off_plane("CC=CC", 0))


def test_invalid_molecules_are_not_checked():
    orders = torch.ones(1, 7, 7, dtype=torch.int64)
    orders[:, 1:, 1:] = orders[:, 0, 0] = 0
    crowded = to_mols(torch.tensor([[6, 1, 1, 1, 1, 1, 1]]), orders, torch.rand(1, 7, 3))
    with quiet():
        assert plausibility(crowded[0]) is None
