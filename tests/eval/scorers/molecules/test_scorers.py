"""Scores of molecules: of the data themselves, damaged, and through an evaluation's list."""

import json

import pytest
import torch

from data import Digits
from eval.evaluation import Evaluation
from eval.record import Record
from eval.scorers.molecules import MoleculeFloor, MoleculeSamples, known
from eval.scorers.molecules.known import known_smiles
from ldm.config.compose import ConfigError


def all_of(data, split):
    return data.dataset_of(split).__getitems__(range(len(data.dataset_of(split))))


def scored(scorer, parts, folder=None) -> Record:
    record = Record(folder, data="small")
    scorer.score(parts, record)
    return record


def test_the_train_split_is_stable_valid_unique_and_known(made, parts):
    batch = all_of(made, "train")
    found = scored(MoleculeSamples(samples=len(batch["x"])), parts(batch)).values
    for name in ("atom_stability", "molecule_stability", "validity", "uniqueness", "connected"):
        assert found[name] == 1
    assert found["novelty"] == found["valid_unique_novel"] == 0
    assert found["strain_median"] == pytest.approx(0, abs=1e-2)
    assert found["plausible"] == found["plausible_bond_angles"] == found["plausible_energy"] == 1


def test_the_test_split_is_new_and_no_distance_from_itself(made, parts):
    batch = all_of(made, "test")
    found = scored(MoleculeSamples(samples=len(batch["x"])), parts(batch)).values
    assert found["novelty"] == 1
    for name in ("bond_length_w1", "bond_angle_w1", "atom_type_tv", "bond_type_tv", "strain_w1"):
        assert found[name] == pytest.approx(0, abs=1e-9)


def test_exploded_molecules_have_no_bonds_and_so_no_geometry(made, parts):
    batch = all_of(made, "train")
    far = torch.cat([20 * batch["x"][..., :3], batch["x"][..., 3:]], -1)
    found = scored(MoleculeSamples(samples=len(far)), parts({**batch, "x": far})).values
    assert found["atom_stability"] == 0
    assert found["validity"] == 1  # single atoms are
    assert found["connected"] == found["plausible"] == 0
    assert not {"bond_length_w1", "bond_type_tv", "strain_median"} & found.keys()


def test_the_floor_is_that_of_training_molecules_with_its_protocol(made, parts, tmp_path):
    record = scored(MoleculeFloor(samples=10), parts(), tmp_path)
    assert record.values["atom_stability_floor"] == record.values["validity_floor"] == 1
    assert record.values["bond_length_w1_floor"] > 0  # the train split is not the test split
    protocol = record.protocols["molecule_stability_floor"]
    assert protocol["n"] == 10
    assert protocol["split"] == "train"
    assert protocol["bonds"] == "distance tables of Hoogeboom et al. (2022)"
    record.save()
    assert json.loads((tmp_path / "metrics.json").read_text())["validity_floor"] == 1


def test_samples_are_shown_and_scored_by_the_configured_list(made, parts, tmp_path):
    batch = all_of(made, "train")
    record = Record(tmp_path)
    evaluation = Evaluation(["molecules", "molecule_floor"], samples=12, batch_size=5)
    evaluation.check(parts(batch))
    evaluation.score(parts(batch), record)
    assert (tmp_path / "samples.png").is_file()
    assert {"atom_stability", "novelty", "atom_stability_floor"} <= record.values.keys()
    assert record.protocols["novelty"]["network_calls"] == 3


def test_scores_do_not_depend_on_the_batch_size(made, parts):
    batch = all_of(made, "train")
    found = [
        scored(MoleculeSamples(samples=12, batch_size=size), parts(batch)).values
        for size in (5, 12)
    ]
    assert found[0] == found[1]


def test_training_smiles_are_made_once_and_not_of_huge_sets(made, monkeypatch, tmp_path):
    monkeypatch.setenv("LDM_CACHE", str(tmp_path))
    first = known_smiles(made, 10)
    assert len(first) == len(made.train_dataset)
    monkeypatch.setattr(known, "largest_fragment", None)
    assert known_smiles(made, 10) == first
    monkeypatch.setattr(known, "LARGEST", 10)
    assert known_smiles(made, 10) is None


def test_data_without_molecules_are_refused(parts):
    made = parts()
    made.data = Digits()
    with pytest.raises(ConfigError, match="digits holds no molecules: choose another eval="):
        MoleculeSamples().check(made)
