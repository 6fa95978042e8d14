"""Bond orders and stability of molecules with known geometries, and laws of both."""

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.chemistry.bonds import MARGINS, VALENCES, _limits, bond_orders, stable_atoms
from data.chemistry.elements import ELEMENTS, GEOM_DRUGS

TETRAHEDRON = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / math.sqrt(3)


def hexagon(radius: float) -> torch.Tensor:
    angle = torch.arange(6) * math.pi / 3
    return radius * torch.stack([angle.cos(), angle.sin(), 0 * angle], 1)


def benzene(bond: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([6] * 6 + [1] * 6), torch.cat([hexagon(bond), hexagon(bond + 1.09)])


KNOWN = {
    "methane": ([6, 1, 1, 1, 1], torch.cat([torch.zeros(1, 3), 1.09 * TETRAHEDRON])),
    "water": ([8, 1, 1], torch.tensor([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])),
    "ammonia": ([7, 1, 1, 1], torch.cat([torch.zeros(1, 3), 1.01 * TETRAHEDRON[:3]])),
    "carbon dioxide": ([8, 6, 8], torch.tensor([[-1.162, 0, 0], [0, 0, 0], [1.162, 0, 0]])),
    "nitrogen": ([7, 7], torch.tensor([[0.0, 0, 0], [1.10, 0, 0]])),
}


def stable(numbers, positions) -> torch.Tensor:
    numbers = torch.as_tensor(numbers)[None]
    return stable_atoms(numbers, bond_orders(numbers, positions[None].float()))[0]


@pytest.mark.parametrize("name", KNOWN)
def test_known_molecules_are_stable(name):
    assert stable(*KNOWN[name]).all()


@pytest.mark.parametrize(("bond", "valence"), [(1.396, 3), (1.385, 5)])
def test_benzene_is_never_stable(bond, valence):
    numbers, positions = benzene(bond)
    orders = bond_orders(numbers[None], positions[None])[0]
    assert orders[:6].sum(1).tolist() == [valence] * 6
    assert stable(numbers, positions).tolist() == [False] * 6 + [True] * 6


@pytest.mark.parametrize(
    ("pair", "thresholds"),
    [
        ((6, 6), (1.64, 1.39, 1.23)),
        ((6, 7), (1.57, 1.34, 1.19)),
        ((6, 8), (1.53, 1.25, 1.16)),
        ((6, 1), (1.19,)),
        ((7, 1), (1.11,)),
        ((8, 1), (1.06,)),
        ((16, 15), (2.20, 1.91)),
        ((33, 1), (1.62,)),
        ((53, 53), (2.76,)),
    ],
)
def test_orders_change_at_the_published_thresholds(pair, thresholds):
    for order, threshold in enumerate(thresholds, start=1):
        line = torch.tensor([[threshold - 1e-6, 0, 0], [threshold + 1e-6, 0, 0]]).double()
        positions = torch.stack([torch.zeros(2, 3).double(), line], 1)
        for numbers in (pair, pair[::-1]):
            orders = bond_orders(torch.tensor([numbers, numbers]), positions)
            assert orders[:, 0, 1].tolist() == [order, order - 1]


def test_pairs_without_a_length_are_never_bonded():
    for pair in ((13, 17), (80, 6), (83, 8), (33, 6), (5, 6)):
        numbers = torch.tensor([pair])
        assert not bond_orders(numbers, torch.zeros(1, 2, 3)).any()


def test_higher_orders_need_shorter_distances():
    single, double, triple = _limits()
    assert (single >= double).all()
    assert (double >= triple).all()
    assert [margin for _, margin in MARGINS] == [10, 5, 3]
    assert set(VALENCES) == set(ELEMENTS) == set(GEOM_DRUGS)


@given(st.lists(st.sampled_from([0, 1, 6, 7, 8, 9, 16]), min_size=2, max_size=8), st.integers(0, 9))
def test_orders_are_symmetric_and_move_with_the_atoms(numbers, seed):
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.tensor([numbers])
    positions = 2 * torch.rand(1, numbers.shape[1], 3, generator=generator)
    orders = bond_orders(numbers, positions)
    assert torch.equal(orders, orders.mT)
    assert not orders.diagonal(dim1=1, dim2=2).any()
    assert not orders[(numbers == 0)].any()
    turned = torch.randperm(numbers.shape[1], generator=generator)
    assert torch.equal(
        bond_orders(numbers[:, turned], positions[:, turned]), orders[:, turned][:, :, turned]
    )


# Written as in the published tables, each row of lengths by its sum, picometres.
PUBLISHED = "H1 C4 N3 O2 F1 B3 Al3 Si4 P3,5 S4 Cl1 As3 Br1 I1 Hg1,2 Bi3,5"
SUMS = [
    {"H": 1598, "C": 1715, "N": 1377, "O": 1297, "F": 1147, "B": 175, "Si": 1093, "Cl": 823},
    {"C": 543, "N": 246, "O": 271, "P": 186},
    {"C": 349, "N": 110},
]
SUMS[0] |= {"S": 873, "Br": 450, "P": 221, "I": 266}


def test_the_tables_are_the_published_ones():
    for (table, _), sums in zip(MARGINS, SUMS, strict=True):
        found = {one: sum(map(int, re.findall(r"\d+", row))) for one, row in table.items()}
        assert found == sums
    assert sum(len(row.split()) for row in MARGINS[0][0].values()) == 64
    valences = {re.sub("[0-9,]", "", v): re.sub("[^0-9,]", "", v) for v in PUBLISHED.split()}
    assert {name: ",".join(map(str, v)) for name, v in VALENCES.items()} == valences


def test_all_valences_and_no_others_are_stable():
    for symbol, valences in VALENCES.items():
        for valence in range(30):
            orders = torch.zeros(1, 2, 2, dtype=torch.int64)
            orders[0, 0, 1] = valence
            found = stable_atoms(torch.tensor([[ELEMENTS[symbol], 0]]), orders)[0]
            assert found.tolist() == [valence in valences, False]
