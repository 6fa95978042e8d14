"""The scores of a run, their records, and the command that scores it again."""

import json
import shutil

import pytest
import torch
from omegaconf import OmegaConf

from data import Digits
from eval.evaluate import evaluate
from eval.evaluation import Evaluation
from eval.record import Record
from eval.scorers.reconstructions import Reconstructions
from ldm.config.signatures import ConfigError
from ldm.run.loading import load_run
from ldm.run.parts import Parts
from ldm.spaces import Flat
from ldm.tokenizers import Identity

IMAGES = ["reconstructions", "samples", "floor"]


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def metrics(run):
    return json.loads((run / "metrics.json").read_text())


def test_every_number_has_the_record_of_how_it_was_obtained(trained):
    found = metrics(trained)
    protocols = found.pop("protocol")
    assert found.keys() == protocols.keys()
    assert all(isinstance(value, float) for value in found.values())
    names = {"psnr", "rfd_classifier", "codebook_usage", "fd_classifier", "fd_classifier_floor"}
    assert names | {"label_accuracy", "precision_classifier"} <= found.keys()
    for record in protocols.values():
        assert record["data"] == "digits"
        assert record["shape"] == [1, 8, 8]
        assert record["weights"] == "averaged"
        assert record["precision"] == "32-true"
    assert protocols["psnr"]["split"] == "test"
    assert protocols["psnr"]["n"] == 360
    drawn = protocols["fd_classifier"]
    assert drawn["n"] == 40
    assert drawn["reference"] == "test"
    assert drawn["n_reference"] == 360
    assert drawn["sampler"]["steps"] == drawn["network_calls"] == 4
    assert drawn["guidance"]["scale"] == 1
    assert drawn["extractor"] == "classifier"
    assert protocols["fd_classifier_floor"]["n"] == 1437


def test_scores_do_not_depend_on_the_batch_size(run):
    first = evaluate(load_run(run, ["eval.batch_size=40"]))
    second = evaluate(load_run(run, ["eval.batch_size=7"]))
    assert first.keys() == second.keys()
    for name in ("psnr", "fd_classifier", "rfd_classifier", "codebook_perplexity"):
        assert first[name] == pytest.approx(second[name], rel=1e-2), name


def test_a_tokenizer_alone_is_scored_by_its_reconstructions(run):
    (run / "prior" / "model.safetensors").unlink()
    found = evaluate(load_run(run, []))
    assert "psnr" in found
    assert "fd_classifier" not in found
    assert set(metrics(run)) == {*found, "protocol"}


def test_the_usage_of_a_vocabulary_above_the_limit_is_not_counted(run, monkeypatch):
    (run / "prior" / "model.safetensors").unlink()
    parts = load_run(run, [])
    limit = parts.tokenizer.bottleneck.vocabulary - 1
    monkeypatch.setattr("eval.scorers.reconstructions.COUNTED", limit)
    found = evaluate(parts)
    assert "psnr" in found
    assert not any("codebook" in name for name in found)


def test_the_psnr_is_that_of_the_eight_bit_pictures(run):
    parts = load_run(run, [])
    found = evaluate(parts)["psnr"]
    x = parts.data.test_dataset.__getitems__(list(range(360)))["x"]
    with torch.no_grad():
        y = parts.tokenizer.reconstruct({"x": x})[0]["x"].clamp(-1, 1)
    x, y = (((image + 1) * 127.5).round() for image in (x, y))
    psnr = 10 * torch.log10(255**2 / (x - y).square().mean((1, 2, 3)))
    assert found == pytest.approx(psnr.mean().item(), abs=0.02)
    record = Record()
    scorer = Reconstructions(images=7, batch_size=3)
    scorer.score(parts, record)
    chosen = scorer.subset(parts.data, "test", 7)["index"]
    assert record.values["psnr"] == pytest.approx(psnr[chosen].mean().item(), abs=0.02)
    assert record.protocols["psnr"]["n"] == len(chosen.unique()) == 7


def check(data, scorers, **shared):
    parts = Parts(OmegaConf.create(), data, {"tokenizer": Identity(Flat([1, 8, 8]))})
    Evaluation(scorers, **shared).check(parts)


def test_unlabelled_data_are_refused_by_scorers_that_need_a_classifier():
    data = Digits()
    check(data, IMAGES)
    data.class_names = ()
    check(data, ["reconstructions"])
    for scorer in ("samples", "floor"):
        with pytest.raises(ConfigError, match="digits has no labels to train a classifier on"):
            check(data, [scorer])
    with pytest.raises(ConfigError, match="digits has no labels to train a classifier on"):
        check(data, ["reconstructions"], extractor="classifier")


def test_damaged_weights_are_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setenv("LDM_CACHE", str(tmp_path))
    path = tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    path.write_bytes(b"half")
    with pytest.raises(ConfigError, match=f"{path} is damaged"):
        check(Digits(), IMAGES, extractor="inception")


def test_pictures_too_small_for_lpips_are_refused_before_training(monkeypatch):
    monkeypatch.setattr("ldm.losses.LPIPS.load", lambda self: None)
    with pytest.raises(ConfigError, match=r"LPIPS \(alex\) needs .* 31 pixels"):
        check(Digits(), ["reconstructions"], lpips=True)
