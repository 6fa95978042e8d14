"""Scaffolds and fragments of known molecules, with and without hydrogens."""

from rdkit import Chem

from data.chemistry.conversion import heavy
from data.chemistry.substructures import fingerprint, fragments, scaffold


def test_scaffolds_are_rings_and_what_links_them_without_side_chains():
    two_rings = Chem.MolFromSmiles("CC(C)Cc1ccc(cc1)C(C)c1ccncc1")
    assert scaffold(two_rings) == Chem.CanonSmiles("c1ccc(Cc2ccncc2)cc1")
    assert scaffold(Chem.MolFromSmiles("C1CC2CCC1O2")) == Chem.CanonSmiles("C1CC2CCC1O2")
    assert scaffold(Chem.MolFromSmiles("CC(C)Cc1ccccc1")) is None
    assert scaffold(Chem.MolFromSmiles("CCO")) is None


def test_fragments_end_in_the_kinds_of_their_cuts_and_molecules_without_cuts_are_one():
    assert fragments(Chem.MolFromSmiles("C1CC1")) == ["C1CC1"]
    pieces = fragments(Chem.MolFromSmiles("CC(=O)Nc1ccccc1"))
    assert pieces == ["[1*]C(C)=O", "[16*]c1ccccc1", "[5*]N[5*]"]


def test_hydrogens_have_no_influence():
    plain = Chem.MolFromSmiles("c1ccc(cc1)C(=O)NC1CC1")
    (found,) = heavy([None, Chem.AddHs(plain)])
    assert scaffold(found) == scaffold(plain)
    assert fragments(found) == fragments(plain)
    assert (fingerprint(found) == fingerprint(plain)).all()
    assert fingerprint(plain).sum() > 5
