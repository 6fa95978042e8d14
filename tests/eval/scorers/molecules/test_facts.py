"""What is measured of molecules, for sets of any bond orders and of single bonds."""

import pytest
import torch

from data import Batch
from data.molecules.base import Molecules
from data.molecules.encoding import Atoms, encode
from eval.scorers.molecules.facts import measure, one_thread


class Carbonates(Molecules):
    """A set that is asked nothing but how its molecules are checked."""

    name, elements, places = "carbonates", ("H", "C", "O"), 6

    def load(self, split): ...


class Single(Carbonates):
    single_bonds = True


def dioxide() -> Batch:
    """Carbon dioxide, and another one beside a hydrogen molecule."""
    numbers = torch.tensor([[8, 6, 8, 0, 0, 0], [8, 6, 8, 1, 1, 0]])
    line = torch.tensor(
        [[-1.162, 0, 0], [0, 0, 0], [1.162, 0, 0], [0, 5, 0], [0, 5.74, 0], [0] * 3]
    )
    x = encode(Atoms(numbers, line.expand(2, -1, -1)), Carbonates.elements, charged=False)
    return {"x": x, "mask": numbers > 0}


@pytest.mark.parametrize(("kind", "smiles"), [(Carbonates, "O=C=O"), (Single, "OCO")])
def test_stability_has_bond_orders_and_validity_those_of_the_set(kind, smiles):
    facts = measure(kind(), dioxide(), "molecules")
    assert facts.stable.tolist() == [[True] * 3 + [False] * 3, [True] * 5 + [False]]
    assert facts.smiles == [smiles, smiles]
    assert facts.fragments == [1, 2]
    assert facts.types == {(1,): 2, (6,): 2, (8,): 4}
    assert facts.bond_types == {(1, 1, 1): 1, (6, 8, 2): 4}
    assert facts.bonds.angles[(6,)] == pytest.approx([180, 180], abs=1e-3)


def test_invalid_molecules_have_no_name_and_no_pieces():
    batch = dioxide()
    batch["x"][:, :, :3] *= 0.5  # all bonded to all, and so carbon to too many
    facts = measure(Carbonates(), batch, "molecules")
    assert facts.smiles == [None, None]
    assert facts.fragments == [0, 0]


def test_threads_are_as_many_as_before():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
