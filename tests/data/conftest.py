"""Small images on disk, and a cache of one test's own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LDM_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def picture():
    """Writes a picture of noise."""

    def write(path: Path, size: tuple[int, int] = (12, 10), seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def pictures(tmp_path, picture) -> Path:
    """A folder of two classes, six training and two test pictures."""
    root = tmp_path / "pets"
    for seed, name in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        for number in range(3 if "train" in name else 1):
            picture(root / name / f"{number}.png", seed=10 * seed + number)
    return root
