"""Rotary embeddings of positions."""

import torch
from torch.testing import assert_close

from ldm.networks.rotary import rotary_angles, rotated, rotation_by


def test_a_quarter_turn_exchanges_neighbours_and_none_changes_nothing():
    x = torch.randn(1, 1, 5, 8)
    assert torch.equal(rotated(x, rotation_by(torch.zeros(5, 8))), x)
    quarter = rotated(x, rotation_by(torch.full((5, 8), torch.pi / 2)))
    assert_close(quarter[..., ::2], -x[..., 1::2])
    assert_close(quarter[..., 1::2], x[..., ::2])


def test_products_on_a_line_depend_on_the_distance_alone():
    q, k = torch.randn(2, 1, 16, dtype=torch.float64).expand(-1, 9, -1)
    rotation = rotation_by(rotary_angles([9], 16))
    products = rotated(q, rotation) @ rotated(k, rotation).mT
    for offset in range(-8, 9):
        line = products.diagonal(offset)
        assert_close(line, line[:1].expand_as(line))
    assert products.diagonal(1)[0] != products.diagonal(2)[0]


def test_rotations_keep_norms_and_products_depend_on_distances_along_each_axis():
    rows, columns, width = 4, 5, 16
    angle = rotary_angles([rows, columns], width)
    rotation = rotation_by(angle)
    q, k = torch.randn(2, 1, 1, 1, width, dtype=torch.float64).expand(2, 1, 1, 20, width)
    turned_q, turned_k = rotated(q, rotation), rotated(k, rotation)
    assert_close(turned_q.norm(dim=3), q.norm(dim=3))
    products = (turned_q @ turned_k.mT).view(rows, columns, rows, columns)
    assert_close(products[:-1, :-1, :-1, :-1], products[1:, :-1, 1:, :-1])
    assert_close(products[:-1, :-1, :-1, :-1], products[:-1, 1:, :-1, 1:])
    assert (products[0, 0, 1, 0] - products[0, 0, 0, 1]).abs() > 1e-3  # the axes differ
    # The first feature of each axis turns by a radian a token.
    assert angle[columns, 0].item() == 1
    assert angle[1, width // 2].item() == 1


def test_rotations_depend_on_distances_along_each_of_three_axes():
    grid, width = [3, 4, 5], 64
    angle = rotary_angles(grid, width)
    rotation = rotation_by(angle)
    q, k = torch.randn(2, 1, 1, 1, width, dtype=torch.float64).expand(2, 1, 1, 60, width)
    products = (rotated(q, rotation) @ rotated(k, rotation).mT).view(*grid, *grid)
    early, late = products[:-1, :-1, :-1, :-1, :-1, :-1], products[1:, :-1, :-1, 1:, :-1, :-1]
    assert_close(early, late)
    assert_close(early, products[:-1, 1:, :-1, :-1, 1:, :-1])
    assert_close(early, products[:-1, :-1, 1:, :-1, :-1, 1:])
    # Pairs of frame, row and column: 8, 12 and 12, as CogVideoX has them.
    assert [angle[at, 2 * first].item() for at, first in ((20, 0), (5, 8), (1, 20))] == [1, 1, 1]
