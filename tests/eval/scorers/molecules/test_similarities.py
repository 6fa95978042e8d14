"""Similarities and Fréchet ChemNet distances of sets of molecules, in space and as graphs."""

import numpy as np
import pytest
import scipy.linalg
import torch
from rdkit import Chem
from torch import Tensor

from data import Digits, ZINC250k
from data.chemistry.conversion import heavy
from eval.evaluation import Evaluation
from eval.extractors.chemnet import ChemNet
from eval.record import Record
from ldm.config.compose import ConfigError
from ldm.hub.weights import BadCheckpoint


class Letters(torch.nn.Module):
    """Counts letters of SMILES; a stand-in for ChemNet, with its interface."""

    def forward(self, smiles: list[str]) -> Tensor:
        rows: list[list[float]] = []
        for one in smiles:
            rows.append([float(one.count("C")), float(one.count("O")), float(len(one))])
        return torch.tensor(rows)


class Long(torch.nn.Module):
    """Gives all features of a set in one row."""

    def forward(self, smiles: list[str]) -> Tensor:
        return torch.zeros(1, 512)


class Pictures(torch.nn.Module):
    """Reads tensors."""

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture
def network(tmp_path):
    """`network(module)`: the file of a scripted module."""

    def write(module) -> str:
        path = tmp_path / "chemnet.pt"
        torch.jit.script(module.eval()).save(path)
        return str(path)

    return write


def all_of(data, split):
    return data.dataset_of(split).__getitems__(range(len(data.dataset_of(split))))


def scored(parts, scorer, **options) -> Record:
    record = Record()
    evaluation = Evaluation([scorer], **options)
    evaluation.check(parts)
    evaluation.score(parts, record)
    return record


def features(data, batch) -> np.ndarray:
    smiles = [Chem.MolToSmiles(one) for one in heavy(data.mols(batch))]
    return Letters()(smiles).double().numpy()


def test_the_test_split_is_like_itself_and_training_molecules_less_so(made, parts):
    batch = all_of(made, "test")
    found = scored(parts(batch), "similarities", samples=len(batch["x"])).values
    assert found["fragment_similarity"] == found["nearest_similarity"] == pytest.approx(1)
    assert 0 <= found["fragment_similarity_floor"] < 1
    assert 0 < found["nearest_similarity_floor"] < 1
    assert "scaffold_similarity" not in found  # three heavy atoms are no two rings


def test_graphs_of_molecules_are_compared_by_their_scaffolds(tmp_path, parts):
    smiles = ["c1ccc(CC2CC2)cc1", "CCO", "CC(=O)Nc1ccc2ccccc2c1", "CCCC"]
    (tmp_path / "zinc250k.csv").write_text("\n".join(["smiles", *smiles * 5]))
    data = ZINC250k(split="drawn", root=str(tmp_path))
    batch = all_of(data, "test")
    run = parts({"x": batch["x"], "mask": batch["mask"], "index": batch["index"]})
    run.data = data
    record = scored(run, "similarities", samples=2)
    assert record.values["nearest_similarity"] == pytest.approx(1)
    assert record.values["scaffold_similarity"] == pytest.approx(1)
    assert record.values["corrected_nearest_similarity"] == pytest.approx(1)
    assert record.protocols["nearest_similarity_floor"]["valid"] == 2


def test_distances_are_of_the_networks_features_and_name_its_file(made, parts, network):
    train, test = (all_of(made, split) for split in ("train", "test"))
    n = len(train["x"])
    record = scored(parts(train), "fcd", samples=n, chemnet=network(Letters()))
    one, other = (features(made, batch) for batch in (train, test))
    sigma, tau = np.cov(one.T), np.cov(other.T)
    cross = scipy.linalg.sqrtm(sigma @ tau).real
    expected = np.square(one.mean(0) - other.mean(0)).sum() + np.trace(sigma + tau - 2 * cross)
    assert record.values["fcd"] == pytest.approx(expected, rel=1e-6)
    assert record.values["fcd_floor"] == pytest.approx(expected, rel=1e-6)
    assert len(record.protocols["fcd"]["weights"]) == 8
    same = scored(parts(test), "fcd", samples=len(test["x"]), chemnet=network(Letters()))
    assert same.values["fcd"] == pytest.approx(0, abs=1e-6)


def test_the_network_is_found_in_the_cache_of_weights(network, tmp_path, monkeypatch):
    monkeypatch.setenv("LDM_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(BadCheckpoint, match=r"'chemnet' are not here.*put them at .*chemnet\.pt"):
        ChemNet()
    network(Letters())
    assert ChemNet()(["CCO"]).tolist() == [[2, 1, 3]]


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Long(), r"features of shape \(1, 512\) for 2 SMILES"),
        (Pictures(), "does not map a list of SMILES to features"),
    ],
)
def test_networks_of_another_kind_are_refused(made, parts, network, module, message):
    with pytest.raises(ConfigError, match=f"no Fréchet ChemNet distance: .*{message}"):
        scored(parts(), "fcd", chemnet=network(module))


def test_other_files_and_other_data_are_refused(made, parts, tmp_path):
    path = tmp_path / "chemnet.pt"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(BadCheckpoint, match="is no whole TorchScript file"):
        ChemNet(path)
    path.write_bytes(b"half")
    with pytest.raises(BadCheckpoint, match="is no whole TorchScript file"):
        ChemNet(path)
    run = parts()
    run.data = Digits()
    for scorer in ("fcd", "similarities"):
        with pytest.raises(ConfigError, match="digits holds no molecules"):
            scored(run, scorer)
