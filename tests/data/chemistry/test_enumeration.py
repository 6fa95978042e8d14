"""Enumerated molecules: counts that can be made by hand, what is left out, and geometries."""

import numpy as np
import pytest

from data.chemistry.enumeration import conformers, enumerate_molecules


def test_molecules_of_one_and_two_atoms_are_all_there_are():
    assert enumerate_molecules(1) == ["C", "F", "N", "O"]
    # CC, CN, CO, CF, and double and triple bonds between those that have the valence.
    assert len(enumerate_molecules(2)) == 4 + 4 + 3 + 2


def test_known_molecules_are_found_and_unstable_ones_left_out():
    found = set(enumerate_molecules(4))
    assert {"CCCC", "CC(C)C", "C1CCC1", "C=CC=O", "CC(N)=O", "C1CO1", "CC(=O)O"} <= found
    assert not {"OO", "NN", "C=C=C", "C1#CC1", "C1=CC1", "NO", "C1=CO1"} & found


def test_alkanes_have_their_isomers():
    alkanes = [one for one in enumerate_molecules(5) if set(one) <= set("C()")]
    assert len(alkanes) == 1 + 1 + 1 + 2 + 3


def test_conformers_have_the_geometry_of_methane_and_do_not_change():
    numbers, positions = conformers("C", 2, seed=1)
    assert numbers == [6, 1, 1, 1, 1]
    assert positions.shape == (2, 5, 3)
    bonds = np.linalg.norm(positions[:, 1:] - positions[:, :1], axis=-1)
    assert bonds == pytest.approx(1.09, abs=0.01)
    assert np.array_equal(conformers("C", 2, seed=1)[1], positions)
    assert not np.array_equal(conformers("C", 2, seed=2)[1], positions)
