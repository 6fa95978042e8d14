"""Bonds are lowered where an atom has too many, and nowhere else."""

import pytest
import torch

from data.chemistry.correction import correct_valences


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
