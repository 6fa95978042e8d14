"""The ratio of energies: near 1 of a minimum, large where atoms clash, and none without a field."""

import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from data.chemistry.energy import energy_ratio


def molecule(smiles: str):
    made = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(made, randomSeed=7)
    return made


@pytest.mark.parametrize("smiles", ["CC(C)(C)CO", "C", "c1ccccc1C(=O)N"])
def test_a_conformer_of_distance_geometry_is_plausible(smiles):
    assert 0 < energy_ratio(molecule(smiles)) < 20


def test_two_atoms_in_one_place_are_not():
    made = molecule("CCCCO")
    points = made.GetConformer().GetPositions()
    points[0] = points[3] + 0.3
    made.GetConformer().SetPositions(points)
    assert energy_ratio(made) > 100


def test_conformers_are_the_same_every_time_and_differ_by_the_seed():
    made = molecule("CCOCCN")
    assert energy_ratio(made) == energy_ratio(made) != energy_ratio(made, seed=2)


def test_invalid_molecules_have_none():
    crowded = Chem.RWMol(molecule("C"))
    crowded.AddBond(0, crowded.AddAtom(Chem.Atom(9)), Chem.BondType.SINGLE)
    assert energy_ratio(crowded) is None
