"""Bonds are lowered where an atom has too many, and nowhere else."""

import pytest
import torch

from data.chemistry.conversion import sanitized
from data.chemistry.correction import correct_valences
from data.chemistry.kekulized import to_charged_mols


def star(centre, *bonds):
    """One atom with carbons around it, in orders of bonds."""
    numbers = torch.tensor([[centre, *[6] * len(bonds)]])
    orders = torch.zeros(1, len(bonds) + 1, len(bonds) + 1, dtype=torch.int64)
    orders[0, 0, 1:] = orders[0, 1:, 0] = torch.tensor(bonds)
    return numbers, orders


@pytest.mark.parametrize(
    ("centre", "bonds", "lowered"),
    [
        (6, [3, 2], [2, 2]),
        (6, [1, 1, 1, 1, 1], [0, 1, 1, 1, 1]),
        (6, [2, 2], [2, 2]),
        (7, [2, 2], [2, 2]),  # charged
        (7, [3, 2], [2, 2]),
        (8, [3], [3]),  # charged
        (8, [2, 2], [1, 2]),
        (9, [3], [1]),
        (16, [3, 3], [3, 3]),  # six bonds are sulfur's own
        (16, [3, 3, 1], [2, 3, 1]),
    ],
)
def test_the_highest_bond_is_lowered_until_the_valence_is_one_of_the_elements(
    centre, bonds, lowered
):
    orders, _ = correct_valences(*star(centre, *bonds))
    assert orders[0, 0, 1:].tolist() == orders[0, 1:, 0].tolist() == lowered


def test_the_largest_piece_is_told_and_padding_is_in_none():
    numbers = torch.tensor([[6, 6, 6, 8, 0]])
    orders = torch.zeros(1, 5, 5, dtype=torch.int64)
    orders[0, 0, 3] = orders[0, 3, 0] = orders[0, 1, 3] = orders[0, 3, 1] = 1
    assert correct_valences(numbers, orders)[1].tolist() == [[True, True, False, True, False]]


def test_rdkit_takes_whatever_was_corrected_and_graphs_do_not_change_one_another():
    draw = torch.Generator().manual_seed(0)
    numbers = torch.tensor([6, 7, 8, 9, 15, 16, 17, 35, 53])[
        torch.randint(9, (50, 9), generator=draw)
    ]
    orders = torch.randint(4, (50, 9, 9), generator=draw).triu(1)
    orders = orders + orders.mT
    corrected, largest = correct_valences(numbers, orders)
    assert None not in map(sanitized, to_charged_mols(numbers, corrected))
    assert (corrected <= orders).all()
    alone = correct_valences(numbers[7:8], orders[7:8])
    assert torch.equal(alone[0][0], corrected[7])
    assert torch.equal(alone[1][0], largest[7])
