"""Scores of molecules sampled as graphs."""

import pytest
import torch
from omegaconf import OmegaConf

from data import Communities, ZINC250k
from eval.record import Record
from eval.scorers.molecule_graphs import MoleculeGraphScores
from ldm.config.compose import ConfigError
from ldm.priors import Prior
from ldm.run.parts import Parts
from ldm.run.sampling import Drawn


class Nothing(Prior):
    """A prior that is never asked."""

    def loss(self, latent, condition, generator=None): ...

    def sample(self, n, condition, sampler, generator=None, guidance=None): ...


def test_samples_are_read_by_rdkit_and_compared_with_both_splits(tmp_path, monkeypatch):
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    smiles = ["CC", "CCO", "c1ccccc1", "CC(=O)O", "CN", "CF", "CCl", "C#N", "C=O", "CCC"]
    (tmp_path / "zinc250k.csv").write_text("\n".join(["smiles", *smiles * 2]))
    data = ZINC250k(split="drawn", root=str(tmp_path))

    def draw_share(parts, n, seed, batch_size):
        batch = data.train_dataset.__getitems__([0, 1, 2, 3])
        batch["x"][0] = batch["x"][1]  # twice the same
        batch["x"][3, :6, :9] = torch.eye(9)[0]
        batch["x"][3, :6, 9:15] = 3 * (1 - torch.eye(6))  # impossible
        batch["mask"][0], batch["mask"][3] = batch["mask"][1], torch.arange(38) < 6
        yield Drawn({**batch, "index": torch.arange(4)}, torch.zeros(4, 1))

    monkeypatch.setattr("eval.scorers.drawn.draw_share", draw_share)
    parts = Parts(OmegaConf.create({"sampler": {"steps": 3}}), data, {"prior": Nothing()})
    scorer, record = MoleculeGraphScores(samples=4), Record(tmp_path / "run")
    scorer.check(parts)
    scorer.score(parts, record)
    found = record.values
    assert found["validity"] == 3 / 4
    assert found["uniqueness"] == pytest.approx(2 / 3)
    assert found["novelty"] == 0
    assert found["nspdk_mmd2_floor"] > 0
    assert 0 < found["nspdk_mmd2"] < 2
    assert found["corrected_validity"] == found["corrected_connected"] == 1
    assert found["corrected_uniqueness"] == 3 / 4  # the fourth has become a molecule of its own
    assert found["corrected_novelty"] == pytest.approx(1 / 3)
    assert 0 < found["corrected_nspdk_mmd2"] < 2
    assert [path.name for path in record.pictures] == ["samples.png"]


def test_other_data_are_refused():
    with pytest.raises(ConfigError, match="no molecules as graphs"):
        MoleculeGraphScores().check(Parts(OmegaConf.create(), Communities(graphs=5)))
