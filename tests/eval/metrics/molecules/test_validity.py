"""Validity, uniqueness, novelty and stability by hand, and of empty sets."""

import pytest
import torch

from eval.metrics.molecules import stability, validity


def test_shares_are_those_counted_by_hand():
    smiles = ["C", "C", "CC", "CCC", None]
    found = validity(smiles, [1, 1, 2, 1, 0], known={"C", "O"})
    assert found == {
        "validity": 4 / 5,
        "uniqueness": 3 / 4,
        "valid_unique": 3 / 5,
        "connected": 3 / 4,
        "novelty": 2 / 3,
        "valid_unique_novel": 2 / 5,
    }


def test_without_a_valid_molecule_all_shares_are_zero():
    assert set(validity([None, None], [0, 0], known=set()).values()) == {0}
    assert "novelty" not in validity([None], [0])


def test_empty_sets_are_refused():
    with pytest.raises(ValueError, match="validity needs a molecule"):
        validity([], [])
    with pytest.raises(ValueError, match="stability needs an atom"):
        stability(torch.ones(2, 3).bool(), torch.zeros(2, 3).bool())
