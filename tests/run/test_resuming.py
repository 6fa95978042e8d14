"""Stages that go on under a changed configuration, and what is refused."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file

import train
from ldm.config.compose import compose
from ldm.run.changes import changes
from ldm.training import Diverged, Training

LR = "tokenizer.training.optimizer.lr"
SAMPLES = "tokenizer.training.samples"
SCHEDULE = "tokenizer.training.schedule"


@pytest.fixture
def short(tiny) -> list[str]:
    """A tokenizer of the short run, smaller, and without an evaluation."""
    small = ["tokenizer.encoder.multipliers=[1,1]", "tokenizer.bottleneck.codes=16"]
    return [*tiny, *small, "stage=tokenizer", "eval.scorers=[]"]


@pytest.fixture
def done(trained, tiny, tmp_path):
    """The folder of a finished tokenizer of 512 samples, and the command that trained it."""
    stage = shutil.copytree(trained / "tokenizer", tmp_path / "done" / "tokenizer")
    command = ["tokenizer.training.ema=0", "stage=tokenizer", f"run={tmp_path}/done"]
    return stage, [*tiny, *command]


@pytest.fixture
def trains(monkeypatch):
    """`trains(arguments)`: the names of the stages that a command would train."""

    def run(arguments: list[str]) -> list[str]:
        names = []
        with monkeypatch.context() as patch:
            patch.setattr(
                "ldm.run.experiment.train_stage", lambda p, r, name, *_: names.append(name)
            )
            patch.setattr("eval.evaluate.evaluate", lambda parts: {})
            train.main(arguments)
        return names

    return run


def scheduled(stage: Path, kind: str, warmup: int) -> list[str]:
    """Override of a schedule, which the stage's own configuration is given, too."""
    path, node = stage / "config.yaml", {"_target_": f"ldm.training.{kind}", "warmup": warmup}
    config = OmegaConf.load(path)
    OmegaConf.update(config, SCHEDULE, node)
    OmegaConf.save(config, path)
    return [f"{SCHEDULE}={{_target_: ldm.training.{kind}, warmup: {warmup}}}"]


def left(stage: Path) -> dict:
    last = torch.load(stage / "checkpoints" / "last.ckpt", weights_only=True)
    kept = {key: last[key] for key in ("state_dict", "optimizer_states", "samples_seen")}
    leaves, _ = torch.utils._pytree.tree_flatten_with_path(kept)
    return {str(path): leaf for path, leaf in leaves} | load_file(stage / "model.safetensors")


def test_a_longer_training_ends_as_one_that_was_so_long_from_the_start(short, tmp_path):
    warm = f"{SCHEDULE}={{_target_: ldm.training.Constant, warmup: 200}}"
    for count in (100, 192):  # the last batch of the first has 28 more
        train.main([*short, warm, f"run={tmp_path}/longer", f"{SAMPLES}={count}"])
    train.main([*short, warm, f"run={tmp_path}/whole", f"{SAMPLES}=192"])
    one, other = (left(tmp_path / name / "tokenizer") for name in ("longer", "whole"))
    assert one.keys() == other.keys()
    for name, value in one.items():
        same = torch.equal(value, other[name]) if torch.is_tensor(value) else value == other[name]
        assert same, name
    (kept,) = json.loads((tmp_path / "longer" / "tokenizer" / "changes.json").read_text())
    assert kept == {"samples": 128, "key": SAMPLES, "before": 100, "now": 192}


def test_a_longer_training_that_was_interrupted_is_not_taken_for_the_finished_one(done, trains):
    stage, command = done
    longer = [*command, f"{SAMPLES}=1024"]
    assert trains(longer) == ["tokenizer"]  # its configuration is that of the longer one now
    assert OmegaConf.load(stage / "config.yaml").tokenizer.training.samples == 1024
    assert trains(longer) == ["tokenizer"]


@pytest.mark.parametrize(
    ("kind", "warmup", "goes"), [("Constant", 0, True), ("Cosine", 0, False), ("Cosine", 512, True)]
)
def test_a_length_can_change_while_no_schedule_has_depended_on_it(
    done, trains, refused, kind, warmup, goes
):
    stage, command = done
    longer = [*command, *scheduled(stage, kind, warmup), f"{SAMPLES}=1024"]
    if not goes:
        message = refused(train.main, *longer)
        assert "samples cannot change from 512 to 1,024: a schedule in tokenizer" in message
        assert f"allow_change=[{SAMPLES}]" in message
        longer.append(f"allow_change=[{SAMPLES}]")
    assert trains(longer) == ["tokenizer"]


def test_a_shorter_training_is_another_one(done, refused):
    message = refused(train.main, *done[1], f"{SAMPLES}=64")
    assert f"begun with another configuration of {SAMPLES}" in message


def test_an_allowed_change_is_trained_with_and_recorded(short, refused, tmp_path):
    train.main([*short, f"{SAMPLES}=64"])
    faster = [*short, f"{SAMPLES}=128", f"{LR}=0.5"]
    message = refused(train.main, *faster)
    assert f"begun with another configuration of {LR}" in message
    assert f"add allow_change=[{LR}]" in message
    train.main([*faster, f"allow_change=[{LR}]"])
    stage = tmp_path / "runs" / "digits" / "tokenizer"
    last = torch.load(stage / "checkpoints" / "last.ckpt", weights_only=True)
    (group,) = last["optimizer_states"][0]["param_groups"]
    assert group["lr"] == group["full_lr"] == 0.5
    kept = {change["key"]: change for change in json.loads((stage / "changes.json").read_text())}
    assert kept[LR] == {"samples": 64, "key": LR, "before": 2e-3, "now": 0.5}
    started = json.loads((stage / "environment.json").read_text())
    assert [start["samples"] for start in started] == [0, 64]


def test_each_command_by_which_a_diverged_stage_goes_on_does_so(
    short, tmp_path, monkeypatch, capsys
):
    short = [*short, f"{SAMPLES}=128", "trainer.precision=bf16-mixed"]

    def diverge(training, values):
        if "grad_norm" in values and training.samples_seen == 64:
            raise Diverged("loss not finite after 64 samples")

    with monkeypatch.context() as patch:
        patch.setattr(Training, "refuse_nonfinite", diverge)
        with pytest.raises(SystemExit, match="1"):
            train.main(short)
    said, *commands = capsys.readouterr().err.splitlines()
    assert said.startswith("error: loss not finite after 64 samples: the last checkpoint is kept")
    assert [one.split()[0] for one in commands] == [
        "trainer.precision=32-true",
        f"++{LR}=0.001",
        "++tokenizer.training.clip=1",
    ]
    for number, command in enumerate(commands):
        run = shutil.copytree(tmp_path / "runs" / "digits", tmp_path / str(number))
        train.main([*short, f"run={run}", *command.split()])
        assert (run / "tokenizer" / "model.safetensors").is_file()


def test_a_change_that_would_do_nothing_is_refused(done, refused):
    message = refused(train.main, *done[1], f"{LR}=0.5", f"allow_change=[{LR}]")
    assert f"is finished, so a change of {LR} would do nothing" in message


def test_a_model_cannot_change_whatever_is_allowed(done, refused):
    key = "tokenizer.bottleneck.codes"
    message = refused(train.main, *done[1], f"{key}=32", f"allow_change=[{key}]")
    assert f"allow_change is for settings of a stage's training, got '{key}'" in message


def test_a_tokenizer_does_not_change_below_its_prior(refused, trained, tiny):
    longer = [*tiny, "tokenizer.training.ema=0", f"run={trained}", f"{SAMPLES}=1024"]
    message = refused(train.main, *longer, "stage=tokenizer")
    assert "was trained on the latents of the tokenizer as it is" in message


def test_a_setting_that_is_newer_than_the_run_has_its_default_in_it():
    now = compose(["experiment=demo/digits", "data=image_folder", "data.root=x", "data.size=8"])
    before = OmegaConf.masked_copy(now, list(now))
    del before.data.bits, before.data.upright, before.prior.resize_classes, before.prior.checkpoint
    assert changes(before, now, "prior") == []
    now.data.bits = 12
    assert changes(before, now, "prior") == [("data.bits", 16, 12)]


def test_a_run_records_what_it_was_trained_by(trained):
    (kept,) = json.loads((trained / "prior" / "environment.json").read_text())
    assert kept["samples"] == 0
    assert kept["packages"]["torch"] == version("torch")
    assert kept["cores"] >= 1
    assert kept["threads"] == torch.get_num_threads()
