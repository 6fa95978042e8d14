"""QM9 in small: ten molecules for 130,831."""

import pytest
from small_qm9 import LEFT_OUT, SIZES


@pytest.fixture
def small(monkeypatch) -> None:
    """Has QM9 expect the ten molecules of `small_qm9`, six of them for training."""
    monkeypatch.setattr("data.molecules.qm9_table.MOLECULES", len(SIZES))
    monkeypatch.setattr("data.molecules.qm9_archive.EXCLUDED", len(LEFT_OUT))
    monkeypatch.setattr("data.molecules.qm9.TRAIN", 6)
