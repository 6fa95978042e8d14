"""Bond lengths and angles of known molecules; distances between sets; laws."""

import math

import numpy as np
import pytest
import torch

from eval.metrics.molecules import BondGeometry, bond_geometry, total_variation, typed_wasserstein

# Water, and the same with an empty place.
NUMBERS = torch.tensor([[8, 1, 1, 0], [0, 1, 8, 1]])
ANGLE = math.radians(104.5)
H = [[0.96, 0, 0], [0.96 * math.cos(ANGLE), 0.96 * math.sin(ANGLE), 0]]
POSITIONS = torch.tensor([[[0, 0, 0], *H, [9, 9, 9]], [[9, 9, 9], H[0], [0, 0, 0], H[1]]])
ORDERS = torch.zeros(2, 4, 4, dtype=torch.int64)
for row, oxygen, hydrogens in ((0, 0, (1, 2)), (1, 2, (1, 3))):
    for hydrogen in hydrogens:
        ORDERS[row, oxygen, hydrogen] = ORDERS[row, hydrogen, oxygen] = 1


def test_water_has_its_lengths_and_its_angle_wherever_its_atoms_are():
    found = bond_geometry(NUMBERS, POSITIONS.float(), ORDERS)
    assert list(found.lengths) == [(1, 8, 1)]
    assert found.lengths[1, 8, 1] == pytest.approx([0.96] * 4)
    assert list(found.angles) == [(8,)]
    assert found.angles[(8,)] == pytest.approx([104.5] * 2, abs=1e-4)


def test_a_tetrahedron_has_six_angles():
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    positions = torch.cat([torch.zeros(1, 3), corners])[None]
    orders = torch.zeros(1, 5, 5, dtype=torch.int64)
    orders[0, 0, 1:] = orders[0, 1:, 0] = 1
    found = bond_geometry(torch.tensor([[6, 1, 1, 1, 1]]), positions, orders)
    assert found.angles[(6,)] == pytest.approx([math.degrees(math.acos(-1 / 3))] * 6, abs=1e-4)


def test_atoms_without_bonds_have_no_geometry():
    none = bond_geometry(NUMBERS, POSITIONS.float(), torch.zeros_like(ORDERS))
    assert none == ({}, {})
    assert typed_wasserstein(none.lengths, none.lengths) is None


def test_sets_join_to_that_of_all():
    parts = [bond_geometry(NUMBERS[[i]], POSITIONS[[i]].float(), ORDERS[[i]]) for i in (0, 1)]
    joined, whole = BondGeometry.join(parts), bond_geometry(NUMBERS, POSITIONS.float(), ORDERS)
    for one, other in zip(joined, whole, strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(np.sort(one[k]), np.sort(other[k])) for k in one)


def test_distances_weigh_types_as_the_reference_has_them():
    reference = {(1,): np.zeros(3), (6,): np.zeros(1), (7,): np.zeros(5)}
    samples = {(1,): np.full(1, 2.0), (6,): np.full(9, 6.0)}
    assert typed_wasserstein(samples, reference) == pytest.approx((3 * 2 + 1 * 6) / 4)
    assert typed_wasserstein(reference, reference) == 0


def test_total_variation_is_one_for_sets_without_a_common_type():
    assert total_variation({(1,): 3}, {(6,): 8}) == 1
    assert total_variation({(1,): 3, (6,): 1}, {(1,): 9, (6,): 3}) == 0
    with pytest.raises(ValueError, match="a count in each set, got 0 and 3"):
        total_variation({}, {(1,): 3})
