"""Samples of a run: which pictures, in what files, whatever they are drawn beside."""

import json
import shlex
import shutil

import numpy as np
import pages
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

import sample
from data import CIFAR10
from ldm.run.loading import load_run


def draw(run, output, *overrides):
    sample.main([f"run={run}", f"output={output}", *overrides])
    with np.load(output / "samples.npz") as file:
        return dict(file)


def test_the_files_are_those_that_evaluation_suites_read(trained, tmp_path, capsys):
    arrays = draw(trained, tmp_path / "drawn", "n=12")
    assert set(arrays) == {"arr_0", "arr_1"}
    assert arrays["arr_0"].shape == (12, 8, 8, 3)
    assert arrays["arr_0"].dtype == np.uint8
    assert arrays["arr_1"].tolist() == [*range(10), 0, 1]
    assert (arrays["arr_0"] == arrays["arr_0"][..., :1]).all()  # grey
    for number in range(12):
        image = np.asarray(Image.open(tmp_path / "drawn" / f"{number:05d}.png"))
        assert np.array_equal(image, arrays["arr_0"][number])
    assert contents(tmp_path / "drawn") == files(12)  # all pictures are of one size
    with Image.open(tmp_path / "drawn-overview.png") as grid:
        assert min(grid.size) >= 3 * 64  # four by three, enlarged to be seen
    assert "12 samples" in capsys.readouterr().out


def contents(folder):
    return sorted(path.name for path in folder.iterdir())


def files(n):
    return [*(f"{number:05d}.png" for number in range(n)), "samples.json", "samples.npz"]


def test_a_folder_holds_what_was_drawn_last(trained, tmp_path):
    folder = tmp_path / "drawn"
    draw(trained, folder, "n=7", "seed=1")
    arrays = draw(trained, folder, "n=3", "seed=2", "label=4", "guidance.scale=2")
    assert contents(folder) == files(3)
    assert np.array_equal(np.asarray(Image.open(folder / "00002.png")), arrays["arr_0"][2])
    record = json.loads((folder / "samples.json").read_text())
    assert (record["n"], record["seed"], record["label"]) == (3, 2, 4)
    assert record["guidance"]["scale"] == 2
    assert record["sampler"]["steps"] == 4


def drawing_begun(*_, **__):
    raise AssertionError("drawing had begun")


def test_a_folder_with_files_of_others_is_refused_before_drawing(
    refused, trained, tmp_path, monkeypatch
):
    monkeypatch.setattr("ldm.run.sampling.draw_share", drawing_begun)
    (tmp_path / "00003.png").write_text("mine")
    (tmp_path / "samples.npz").write_text("mine")
    message = refused(sample.main, f"run={trained}", f"output={tmp_path}", "n=5")
    assert f"{tmp_path} holds 2 files that were not drawn into it, 00003.png first" in message
    assert contents(tmp_path) == ["00003.png", "samples.npz"]
    assert (tmp_path / "00003.png").read_text() == "mine"


def test_an_output_that_cannot_be_written_is_refused_before_drawing(
    refused, trained, tmp_path, monkeypatch
):
    monkeypatch.setattr("ldm.run.sampling.draw_share", drawing_begun)
    (tmp_path / "file").write_text("")
    message = refused(sample.main, f"run={trained}", f"output={tmp_path}/file")
    assert f"{tmp_path}/file is a file: name a folder, output=..." in message
    message = refused(sample.main, f"run={trained}", f"output={tmp_path}/file/drawn")
    assert f"cannot write to {tmp_path}/file" in message
    message = refused(sample.main, f"run={trained}", "output=/proc/drawn")
    assert "cannot write to /proc" in message


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_samples_do_not_depend_on_the_batch_size_or_on_how_many_there_are(
    trained, tmp_path, sampler
):
    options = [f"sampler={sampler}", "sampler.steps=4", "seed=3"]
    whole = draw(trained, tmp_path / "whole", "n=20", "batch_size=20", *options)["arr_0"]
    parts = draw(trained, tmp_path / "parts", "n=14", "batch_size=3", *options)["arr_0"]
    # A matrix product of other sizes may round otherwise, and so may the eight bits.
    difference = np.abs(whole[:14].astype(int) - parts)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_seeds_labels_and_guidance_are_obeyed(trained, tmp_path):
    def images(*overrides):
        return draw(trained, tmp_path / "drawn", "n=6", *overrides)["arr_0"]

    first = images("seed=1")
    assert np.array_equal(first, images("seed=1"))
    assert (first != images("seed=2")).any(axis=(1, 2, 3)).all()
    for label in (0, 7):
        labels = draw(trained, tmp_path / "drawn", "n=6", f"label={label}")["arr_1"]
        assert labels.tolist() == [label] * 6
    # So short a run has learnt little of labels: guidance makes much of it.
    guided = images("seed=1", "guidance.scale=40")
    assert not np.array_equal(first, guided)
    assert not np.array_equal(guided, images("seed=1", "guidance.scale=40", "label=7"))


def test_a_prior_that_guides_itself_changes_nothing(trained, tmp_path):
    (printed,) = pages.commands(pages.ROOT / "docs" / "priors.md")
    words = shlex.split(printed.replace("runs/other", str(trained)))
    itself = [word for word in words if word.startswith("guidance.")]

    def images(*overrides):
        options = ["n=4", "sampler.steps=4", *overrides]
        return draw(trained, tmp_path / "drawn", *options)["arr_0"].astype(int)

    plain = images()
    assert np.abs(images(*itself) - plain).max() <= 1
    assert np.abs(images("guidance.scale=9") - plain).max() > 1


def test_more_steps_are_more_network_calls(trained):
    parts = load_run(trained, ["sampler=ddim", "sampler.steps=7", "guidance.scale=2"])
    samples = sample.sample(parts, 3)
    assert samples["x"].shape == (3, 1, 8, 8)
    assert samples["label"].tolist() == samples["index"].tolist() == [0, 1, 2]
    assert parts.prior.network_calls == 7


def test_samples_without_labels_in_colour(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    batch = {"x": torch.from_numpy(images).permute(0, 3, 1, 2)}
    CIFAR10().save(tmp_path / "new" / "folder", batch)
    with np.load(tmp_path / "new" / "folder" / "samples.npz") as file:
        assert set(file) == {"arr_0"}
        assert np.array_equal(file["arr_0"], images)
    with Image.open(tmp_path / "new" / "folder" / "00001.png") as image:
        assert np.array_equal(np.asarray(image), images[1])


def test_networks_sample_in_half_precision_and_the_files_say_so(trained, tmp_path):
    exact = draw(trained, tmp_path / "exact", "n=8")["arr_0"].astype(float)
    half = draw(trained, tmp_path / "half", "n=8", "sampling.precision=bf16-mixed")["arr_0"]
    assert 0 < np.abs(half - exact).mean() < 8  # of 255
    record = json.loads((tmp_path / "half" / "samples.json").read_text())
    assert record["sampling"]["precision"] == "bf16-mixed"


def test_a_run_of_before_an_option_existed_takes_its_default_and_its_overrides(trained, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(trained, old)
    for path in old.glob("*/config.yaml"):
        config = OmegaConf.load(path)
        del config["sampling"]
        OmegaConf.save(config, path)
    assert load_run(old, []).config.sampling.precision == "32-true"
    assert load_run(old, ["sampling.precision=auto"]).config.sampling.precision == "auto"
