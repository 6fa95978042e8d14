"""Reconstructions of molecules by tokenizers that are known: a shift, and a change of one type."""

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from data import SmallMolecules
from eval.record import Record
from eval.scorers.molecules import MoleculeReconstructions
from ldm.bottlenecks import Passthrough
from ldm.run.parts import Parts
from ldm.spaces import PointSet
from ldm.tokenizers import Identity, Tokenizer


class Moves(nn.Module):
    """Moves the first atom by half an Angstrom, and makes it hydrogen."""

    def forward(self, x, mask):
        x = x.clone()
        x[:, 0, 0] += 0.5
        x[:, 0, 3:8] = torch.tensor([1.0, 0, 0, 0, 0])
        return x


class Same(nn.Module):
    def forward(self, x, mask):
        return x


@pytest.fixture
def found(monkeypatch, tmp_path):
    """`found(tokenizer)`: its scores, and the number of atoms of each test molecule."""
    monkeypatch.setenv("LDM_CACHE", str(tmp_path))
    data = SmallMolecules(heavy=2, conformers=2)

    def score(tokenizer):
        record = Record()
        config = OmegaConf.create({"stages": ["tokenizer"], "tokenizer": {}})
        parts = Parts(config, data, {"tokenizer": tokenizer.eval()})
        MoleculeReconstructions(samples=10, batch_size=1).score(parts, record)
        return record.values, data.test_dataset.sizes

    return score


def test_a_moved_first_atom_is_one_of_all(found):
    space = PointSet(8, invariant=6)
    scores, sizes = found(Tokenizer(Same(), Passthrough(space), Moves()))
    assert scores["reconstructed_types"] == pytest.approx(1 - len(sizes) / sizes.sum())
    assert scores["reconstructed_molecules"] == 0
    assert scores["reconstruction_rmsd"] == pytest.approx((0.25 * len(sizes) / sizes.sum()) ** 0.5)


def test_a_perfect_tokenizer_keeps_all_and_none_has_no_scores(found):
    space = PointSet(8, invariant=6)
    scores, _ = found(Tokenizer(Same(), Passthrough(space), Same()))
    assert scores["reconstructed_types"] == scores["reconstructed_molecules"] == 1
    assert scores["reconstruction_rmsd"] == pytest.approx(0, abs=1e-6)
    assert found(Identity(space))[0] == {}
