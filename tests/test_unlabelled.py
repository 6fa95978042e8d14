"""A folder of pictures without labels is trained, scored and sampled from offline."""

import json

import pytest
from PIL import Image

import sample
import train
from data import Digits


@pytest.fixture
def unlabelled(tmp_path, tiny) -> list[str]:
    """Overrides that train the short demo on thirty digits in one folder."""
    pixels = Digits().train_dataset.__getitems__(range(30))["x"][:, 0].add(1).mul(127.5).byte()
    (tmp_path / "pets").mkdir()
    for number, picture in enumerate(pixels.numpy()):
        Image.fromarray(picture).save(tmp_path / "pets" / f"{number}.png")
    few = [f"{stage}.training.samples=128" for stage in ("tokenizer", "prior")]
    folder = ["data=image_folder", f"data.root={tmp_path}/pets", "data.size=8", "data.channels=1"]
    kept = [option for option in tiny if not option.startswith("eval.samples")]
    return [*kept, *few, *folder, "data.workers=0", "prior.conditioning=null"]


def test_reconstructions_are_scored_without_labels_and_weights(unlabelled, tmp_path):
    train.main([*unlabelled, "eval=reconstructions", f"run={tmp_path}/run"])
    scores = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {"psnr", "psnr_pooled", "codebook_usage"} <= scores.keys()
    assert scores["protocol"]["psnr"]["n"] == 3
    sample.main([f"run={tmp_path}/run", "n=2", f"output={tmp_path}/drawn"])
    assert (tmp_path / "drawn" / "00001.png").is_file()


def test_without_an_evaluation_nothing_is_scored_and_no_scores_are_left(
    unlabelled, tmp_path, capsys
):
    train.main([*unlabelled, "eval=none", "stages=[tokenizer]", f"run={tmp_path}/run"])
    assert (tmp_path / "run" / "tokenizer" / "model.safetensors").is_file()
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert "score" not in capsys.readouterr().out


@pytest.mark.parametrize("few", ["eval.samples=9", "data.test_fraction=0.1"])
def test_too_few_pictures_to_score_are_refused_before_training(refused, unlabelled, tmp_path, few):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir()
    for path in sorted((tmp_path / "pets").glob("*.png")):
        path.rename(path.parent / ("cat" if int(path.stem) % 2 else "dog") / path.name)
    labelled = [option for option in unlabelled if not option.startswith("prior.conditioning")]
    other = "data.test_fraction=0.3" if few.startswith("eval") else "eval.samples=40"
    message = refused(train.main, *labelled, "eval=classifier", few, other)
    assert "or more" in message
