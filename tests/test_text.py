"""Images from captions: the commands of docs/text.md, with the text encoder of `embedded`."""

import json
import shlex

import numpy as np
import pages
import pytest
import torch
from conftest import SHORT
from embedded import Letters

import sample
import train
from data.images.captions import as_strings
from ldm.conditioning import TextEncoder
from ldm.run.loading import load_run
from ldm.run.sampling import draw

PAGE = pages.ROOT / "docs" / "text.md"
OPTIONS = [option for option in SHORT[1:] if not option.startswith("eval.")]
OPTIONS += ["prior.training.ema=0", "prior.training.optimizer.lr=3e-3"]
COMMANDS = {command: shlex.split(command)[1:] for command in pages.commands(PAGE)}


def letters(patch):
    for name in ("__call__", "check", "identity"):
        patch.setattr(TextEncoder, name, getattr(Letters, name))


def follow(command):
    """Run a command as printed, with less training."""
    script, *words = COMMANDS[command]
    if script == "train.py":
        evaluated = [] if "eval=none" in words else ["eval=none"]
        train.main([*words, *OPTIONS, *evaluated])
    elif script == "sample.py":
        sample.main(words)
    else:
        exec((pages.files(PAGE)[script]).replace("range(300)", "range(80)"), {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which all commands of the page have run, one after the other."""
    place = tmp_path_factory.mktemp("text")
    (place / "prompts.txt").write_text(pages.files(PAGE)["prompts.txt"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LDM_CACHE", str(place / "cache"))
        patch.chdir(place)
        letters(patch)
        for command in COMMANDS:
            follow(command)
    return place


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.setenv("LDM_CACHE", str(folder / "cache"))
    letters(monkeypatch)
    return folder / "runs" / "demo" / "text_digits"


def captions(output):
    lines = (output / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def pictures(output):
    with np.load(output / "samples.npz") as file:
        return file["arr_0"].astype(int).reshape(len(file["arr_0"]), -1)


def test_the_commands_of_the_page_draw_what_was_asked_for(folder):
    assert captions(folder / "sevens") == ["a seven"] * 8
    assert captions(folder / "two") == ["a seven", "the digit three"] * 4
    assert captions(folder / "listed") == ["a handwritten four", "the number nine"] * 4
    assert captions(folder / "squares") == ["a large square"] * 8
    with np.load(folder / "sevens" / "samples.npz") as file:
        assert "arr_1" not in file  # nobody knows of which class a prompt is


def test_a_sample_depends_on_its_own_prompt_alone(folder, run, tmp_path):
    given = [f"run={run}", "n=3", "batch_size=2", "condition.text=the digit three"]
    sample.main([*given, f"output={tmp_path}/three"])
    threes, both = pictures(tmp_path / "three"), pictures(folder / "two")[:3]
    assert captions(tmp_path / "three") == ["the digit three"] * 3
    assert abs(threes - both)[1].max() <= 1
    assert abs(threes - both)[[0, 2]].max(1).min() > 1


def test_embeddings_are_cached_with_the_latents(run):
    (shards,) = (run.parent / ".latents").iterdir()
    kept = {path.stem.split("-")[-1]: np.load(path) for path in shards.glob("*.npy")}
    assert kept.keys() >= {"raw", "text", "text_mask", "text_pooled"}
    assert kept["text"].shape == (1437, 16, 384)
    assert kept["text_pooled"].shape == (1437, 384)
    told = load_run(run, []).data.train_dataset.__getitems__([5])
    length = min(len(as_strings(told["text"])[0]) + 1, 16)
    assert kept["text_mask"][5].sum() == length


def test_no_weights_of_the_encoder_are_in_a_checkpoint(run):
    state = torch.load(run / "prior" / "checkpoints" / "last.ckpt", weights_only=True)
    networks = {name.split(".")[1] for name in state["state_dict"] if name.startswith("model.")}
    assert networks == {"backbone"}


def test_without_a_prompt_captions_name_the_classes_in_turn(run):
    batch = draw(load_run(run, ["guidance.scale=2"]), range(3), 0).batch
    assert batch["label"].tolist() == [0, 1, 2]
    assert [text.split()[-1] for text in as_strings(batch["text"])] == ["zero", "one", "two"]


def test_a_class_is_refused_by_a_model_of_texts_and_a_text_by_one_of_classes(
    refused, run, trained, tmp_path
):
    output = f"output={tmp_path}/out"
    said = refused(sample.main, f"run={run}", "label=3", output)
    assert "asked for by label, which this model was not trained to read" in said
    assert "ask for condition.text=..." in said
    said = refused(sample.main, f"run={trained}", "condition.text=a seven", output)
    assert "text='a seven', but digits has no captions: ask for label=0" in said
    captioned = ["data.captions=true", "condition.text=a seven", output]
    said = refused(sample.main, f"run={trained}", *captioned)
    assert "asked for by text, which this model was not trained to read" in said
    assert "ask for condition.label=..." in said


def test_training_does_not_begin_without_captions_or_their_encoder(refused, tmp_path):
    given = ["experiment=demo/text_digits", "eval=none", *OPTIONS, f"run={tmp_path}/run"]
    said = refused(train.main, *given, "data.captions=false")
    assert "prior.conditioning.text: digits has no text to condition on" in said
    said = refused(train.main, *given, f"prior.conditioning.text.encoder.model={tmp_path}")
    assert f"the text encoder {tmp_path}" in said
