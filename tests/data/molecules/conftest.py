"""QM9 in small: ten molecules for 130,831."""

import pytest
from small_qm9 import expect_small


@pytest.fixture
def small(monkeypatch) -> None:
    """Has QM9 expect the ten molecules of `small_qm9`, six of them for training."""
    expect_small(monkeypatch)
