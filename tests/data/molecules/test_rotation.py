"""Molecules drawn for training are rotated at random, by their own seeds, and no others are."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from data.molecules.dataset import Layout, MoleculeDataset, ragged
from data.molecules.rotation import rotations
from data.order import Draw


def molecules(rotate: bool) -> MoleculeDataset:
    sizes = np.array([5, 3])
    positions = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    given = ragged(np.full(8, 6), positions, sizes)
    return MoleculeDataset(given, Layout(("H", "C"), 5, False), rotate=rotate)


def test_rotations_are_uniform_and_of_their_seeds_alone():
    turns = rotations(range(4000))
    assert np.array_equal(rotations([7, 2]), turns[[7, 2]])
    eye = np.broadcast_to(np.eye(3), turns.shape)
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), eye, atol=1e-6)
    assert (np.linalg.det(turns) > 0).all()
    angle = Rotation.from_matrix(turns).magnitude()
    law = (np.sort(angle) - np.sin(np.sort(angle))) / np.pi  # of uniform rotations
    assert abs(law - np.arange(4000) / 4000).max() < 1.63 / 4000**0.5  # Kolmogorov, 1 %
    assert abs(turns.mean(0)).max() < 4 / (3 * 4000) ** 0.5


def test_draws_for_training_turn_and_all_else_stays():
    plain, rotated = molecules(False), molecules(True)
    items = [Draw(0, 5), Draw(1), 1, Draw(0, 6), Draw(0, 5)]
    x, turned = plain.__getitems__(items)["x"], rotated.__getitems__(items)["x"]
    assert torch.equal(turned[[1, 2]], x[[1, 2]])
    assert torch.equal(turned[..., 3:], x[..., 3:])
    assert torch.equal(turned[0], turned[4])
    expected = x[:, :, :3] @ torch.from_numpy(rotations([5, 0, 0, 6, 5])).mT
    torch.testing.assert_close(turned[[0, 3], :, :3], expected[[0, 3]])
    assert (turned[0] - turned[3]).abs().max() > 0.1


def test_rotation_is_part_of_what_identifies_the_data():
    assert molecules(True).digest() != molecules(False).digest()
