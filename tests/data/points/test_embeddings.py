"""Embeddings in the published file layout."""

import numpy as np
import pytest
import torch

from data import DataError, Embeddings


@pytest.fixture
def write(tmp_path):
    """Write sets of unit vectors in eight dimensions."""

    def write(name: str, array: np.ndarray | None = None) -> Embeddings:
        path = tmp_path / "cider_outputs_8" / "CIFAR-10" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        if array is None:
            array = np.random.default_rng(len(name)).standard_normal((12, 8))
            array /= np.linalg.norm(array, axis=1, keepdims=True)
        np.save(path, array)
        return Embeddings(dim=8, root=str(tmp_path))

    return write


def test_each_set_is_read_from_its_file(write, tmp_path):
    for name in ("train", "valid", "SVHN"):
        data = write(name)
    data.setup()
    assert (data.shape, data.name) == ((8,), "CIDER CIFAR-10 8")
    folder = tmp_path / "cider_outputs_8" / "CIFAR-10"
    for points, name in [
        (data.train_dataset.points, "train"),
        (data.val_dataset.points, "valid"),
        (data.test_dataset.points, "valid"),
        (data.ood_dataset("SVHN").points, "SVHN"),
    ]:
        torch.testing.assert_close(
            points, torch.from_numpy(np.load(folder / f"{name}.npy")).float()
        )
        torch.testing.assert_close(points.norm(dim=1), torch.ones(12))


def test_half_precision_vectors_are_normalised(write):
    x = np.full((3, 8), 8**-0.5, np.float16)
    assert write("train", x).train_dataset.points.norm(dim=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.eye(8)[:, :7], r"array \(n, 8\) of real numbers, got float64 \(8, 7\)"),
        (np.eye(8, dtype=int), "got int64"),
        (2 * np.eye(8), "8 of 8 are not: row 0 has length 2"),
        (np.where(np.eye(8) > 0, [1] * 5 + [np.nan] + [1] * 2, 0), "1 of 8 are not: row 5"),
        (np.array([{}]), "not a sound npy file"),
    ],
)
def test_vectors_that_are_not_unit_vectors_are_refused(write, array, message):
    with pytest.raises(DataError, match=message):
        write("train", array).load("train")


def test_missing_files_and_unknown_sets_are_refused_by_name(tmp_path):
    data = Embeddings(root=str(tmp_path))
    with pytest.raises(DataError, match=r"dtd\.npy is at none of .*cider_outputs_128/CIFAR-10"):
        data.ood_dataset("dtd")
    with pytest.raises(DataError, match="SVHN, places365, LSUN, iSUN, dtd, got 'MNIST'"):
        data.ood_dataset("MNIST")
    with pytest.raises(DataError, match="'CIFAR-10' or 'CIFAR-100'"):
        Embeddings("SVHN")
