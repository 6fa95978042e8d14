"""Strain of a minimum, of a stretched molecule, and of molecules that have none."""

import pytest
import torch

from data.chemistry.conversion import to_mols
from data.chemistry.enumeration import conformers
from data.chemistry.strain import strain_energies


def ethane(stretch: float = 1.0):
    numbers, positions = conformers("CC", 1, seed=1)
    numbers = torch.tensor([numbers])
    orders = torch.zeros(1, 8, 8, dtype=torch.int64)
    for i, j in [(0, 1), *((0, k) for k in (2, 3, 4)), *((1, k) for k in (5, 6, 7))]:
        orders[0, i, j] = orders[0, j, i] = 1
    return to_mols(numbers, orders, stretch * torch.from_numpy(positions))[0]


def test_a_minimum_has_no_strain_and_a_stretched_molecule_has():
    relaxed, stretched = strain_energies([ethane(), ethane(1.1)])
    assert relaxed == pytest.approx(0, abs=1e-3)
    assert stretched > 20


def test_molecules_without_energies_are_left_out():
    crowded = ethane()
    for _ in range(5):
        from rdkit import Chem

        crowded = Chem.RWMol(crowded)
        crowded.AddBond(0, crowded.AddAtom(Chem.Atom(9)), Chem.BondType.SINGLE)
    assert strain_energies([crowded]) == []
