"""Images from captions, through the commands; the text encoder is that of `embedded`."""

import json

import numpy as np
import pytest
import torch
from conftest import SHORT

import sample
import train
from data.images.captions import as_strings
from ldm.run.loading import load_run
from ldm.run.sampling import draw

ENCODER = "prior.conditioning.text.encoder"
LETTERS = [f"{ENCODER}._target_=embedded.Letters", f"{ENCODER}.width=16", f"{ENCODER}.length=24"]
OPTIONS = ["experiment=demo/text_digits", "eval=none"]
OPTIONS += [option for option in SHORT[1:] if not option.startswith("eval.")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a short run of the demo, with the cache of its latents."""
    place = tmp_path_factory.mktemp("text")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LDM_CACHE", str(place / "cache"))
        patch.setenv("LDM_ALLOW", "embedded")
        now = ["prior.training.ema=0", "prior.training.optimizer.lr=3e-3"]
        train.main([*OPTIONS, *LETTERS, *now, f"run={place}/run"])
    return place


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.setenv("LDM_CACHE", str(folder / "cache"))
    monkeypatch.setenv("LDM_ALLOW", "embedded")
    return folder / "run"


def test_embeddings_are_cached_with_the_latents(run):
    (shards,) = [path for path in (run.parent / ".latents").iterdir() if path.is_dir()]
    kept = {path.stem.split("-")[-1]: np.load(path) for path in shards.glob("*.npy")}
    assert kept.keys() >= {"raw", "text", "text_mask", "text_pooled"}
    assert kept["text"].shape == (1437, 24, 16)
    assert kept["text_pooled"].shape == (1437, 16)
    told = load_run(run, []).data.train_dataset.__getitems__([5])
    length = len(as_strings(told["text"])[0]) + 1
    assert kept["text_mask"][5].sum() == length


def test_no_weights_of_the_encoder_are_in_a_checkpoint(run):
    state = torch.load(run / "prior" / "checkpoints" / "last.ckpt", weights_only=True)
    networks = {name.split(".")[1] for name in state["state_dict"] if name.startswith("model.")}
    assert networks == {"backbone"}


def pictures(run, output, *given):
    sample.main([f"run={run}", f"output={output}", *given])
    lines = (output / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    with np.load(output / "samples.npz") as file:
        return [json.loads(line)["text"] for line in lines], dict(file)


def test_a_prompt_a_list_and_a_file_ask_for_pictures(run, tmp_path):
    texts, one = pictures(run, tmp_path / "one", "n=3", "condition.text=a seven")
    assert texts == ["a seven"] * 3
    assert "arr_1" not in one  # nobody knows of which class a prompt is
    texts, two = pictures(run, tmp_path / "two", "n=3", "condition.text=[a seven, a three]")
    assert texts == ["a seven", "a three", "a seven"]
    same = (one["arr_0"].astype(int) - two["arr_0"]).reshape(3, -1)
    assert abs(same[[0, 2]]).max() <= 1
    assert abs(same[1]).max() > 1
    (tmp_path / "prompts.txt").write_text("a seven\na three\n")
    given = ["n=3", "batch_size=2", f"condition.text={tmp_path}/prompts.txt"]
    texts, three = pictures(run, tmp_path / "three", *given)
    assert texts == ["a seven", "a three", "a seven"]
    assert abs(three["arr_0"].astype(int) - two["arr_0"]).max() <= 1


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*LETTERS, "data.captions=false"], r"conditioning.text: digits has no text to condition"),
        ([f"{ENCODER}.model=nowhere"], "the text encoder nowhere"),
    ],
)
def test_training_does_not_begin_without_captions_or_their_encoder(
    refused, tmp_path, monkeypatch, options, message
):
    monkeypatch.setenv("LDM_ALLOW", "embedded")
    said = refused(train.main, *OPTIONS, *options, f"run={tmp_path}/run")
    assert message in said
