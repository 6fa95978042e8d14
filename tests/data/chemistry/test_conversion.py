"""RDKit's molecules of atoms and bonds: validity, fragments, and files that RDKit reads back."""

import pytest
import torch

from data import DataError
from data.chemistry.bonds import bond_orders
from data.chemistry.conversion import largest_fragment, quiet, to_mols
from data.chemistry.elements import atomic_numbers, symbols
from data.chemistry.files import write_molecules

ETHANE = [
    [0.0, 0.0, 0.765],
    [0.0, 0.0, -0.765],
    *([1.02, 0.0, 1.16], [-0.51, 0.88, 1.16], [-0.51, -0.88, 1.16]),
    *([-1.02, 0.0, -1.16], [0.51, 0.88, -1.16], [0.51, -0.88, -1.16]),
]


def molecules(*given: tuple[str, list]):
    places = max(len(positions) for _, positions in given)
    numbers = torch.zeros(len(given), places, dtype=torch.int64)
    at = torch.zeros(len(given), places, 3)
    for row, (names, positions) in enumerate(given):
        numbers[row, : len(positions)] = torch.tensor(atomic_numbers(list(names)))
        at[row, : len(positions)] = torch.tensor(positions)
    return to_mols(numbers, bond_orders(numbers, at), at)


FAR = [[9.0, 0.0, 0.0], [9.96, 0.0, 0.0], [8.76, 0.93, 0.0]]
FIVE = [[0.0, 0, 0], *([1.0, 0, 0], [-1.0, 0, 0], [0, 1.0, 0], [0, -1.0, 0], [0, 0, 1.0])]


def test_the_largest_fragment_of_a_valid_molecule_is_named_with_its_hydrogens():
    both, alone = molecules(("CCHHHHHHOHH", ETHANE + FAR), ("OHH", FAR))
    assert largest_fragment(both) == ("[H]C([H])([H])C([H])([H])[H]", 2)
    assert largest_fragment(alone) == ("[H]O[H]", 1)


def test_too_many_bonds_are_invalid_and_too_few_are_not():
    many, few = molecules(("CHHHHH", FIVE), ("CHHH", FIVE[:4]))
    with quiet():
        assert largest_fragment(many) is None
    assert largest_fragment(few)[1] == 1


def test_files_are_read_back_by_rdkit(tmp_path):
    from rdkit import Chem

    given = molecules(("CCHHHHHH", ETHANE), ("CHHHHH", FIVE), ("OHH", FAR))
    with quiet():
        write_molecules(tmp_path, given)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("molecules.sdf", "molecules.xyz", "molecules.smi")
    }
    read = list(Chem.SDMolSupplier(str(tmp_path / "molecules.sdf"), sanitize=False, removeHs=False))
    for one, original in zip(read, given, strict=True):
        assert [a.GetAtomicNum() for a in one.GetAtoms()] == [
            a.GetAtomicNum() for a in original.GetAtoms()
        ]
        torch.testing.assert_close(
            *(torch.from_numpy(m.GetConformer().GetPositions().copy()) for m in (one, original)),
            atol=1e-4,
            rtol=0,
        )
        assert one.GetNumBonds() == original.GetNumBonds()
    assert (tmp_path / "molecules.smi").read_text() == "CC\t0\nO\t2\n"
    blocks = (tmp_path / "molecules.xyz").read_text().splitlines()
    assert len(blocks) == sum(2 + m.GetNumAtoms() for m in given)
    assert Chem.MolFromXYZBlock("\n".join(blocks[:10])).GetNumAtoms() == 8


def test_molecules_without_atoms_and_unknown_elements_are_refused():
    with pytest.raises(DataError, match="number 1 of 2 has none"):
        to_mols(torch.tensor([[6, 0], [0, 0]]), torch.zeros(2, 2, 2, dtype=torch.int64))
    with pytest.raises(DataError, match="unknown elements 'Xe': molecules may have H, B, C"):
        atomic_numbers(["C", "Xe"])
    with pytest.raises(DataError, match="unknown atomic numbers 54: "):
        symbols([6, 54])
