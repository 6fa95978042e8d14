"""The command, from its first stage to its scores; interrupted anywhere, it ends where it would."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb_runs import history

import train
from eval.evaluate import evaluate
from ldm.hub import weights
from ldm.run.loading import load_run
from ldm.training.ema import EMA
from ldm.training.latent_cache import LatentCache

STAGES = ("tokenizer", "prior")
ROOT = Path(__file__).resolve().parents[1]
ADVERSARIAL = (
    "tokenizer.training.adversarial={_target_: ldm.losses.Adversarial, weight: 0.1, start: 64, "
    "generator: hinge, discriminator_loss: hinge, adaptive: gsq, discriminator: "
    "{_target_: ldm.networks.images.patchgan.PatchGAN, in_channels: 1, layers: 1, width: 16}}"
)


class Killed(BaseException):
    """Like a kill -9: nothing that stands in its way is called."""


@pytest.fixture(scope="module")
def cache(trained_cache, tmp_path_factory) -> Path:
    return shutil.copytree(trained_cache, tmp_path_factory.mktemp("quick") / "cache")


@pytest.fixture
def quick(tiny, cache, monkeypatch) -> list[str]:
    """The run of `tiny` with eight steps a stage, and the classifiers that tests share."""
    monkeypatch.setenv("LDM_CACHE", str(cache))
    short = [f"{s}.training.{n}" for s in STAGES for n in ("samples=256", "batch_size=32")]
    small = ["tokenizer.encoder.multipliers=[1,1]", "tokenizer.bottleneck.codes=16"]
    return [*tiny, *small, *short]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """`finished(arguments)`: the folder of a run that nothing disturbed."""
    folders = {}

    def run(arguments: list[str]) -> Path:
        others = tuple(a for a in arguments if not a.startswith("run="))
        if others not in folders:
            folders[others] = tmp_path_factory.mktemp("finished") / "run"
            train.main([*others, f"run={folders[others]}"])
        return folders[others]

    return run


def folder_of(arguments: list[str]) -> Path:
    return Path(next(a for a in arguments if a.startswith("run=")).removeprefix("run="))


@pytest.fixture
def at_step(monkeypatch):
    """`at_step(n, how)`: call `how` in the n-th step of training from now on."""

    def arrange(number, how):
        update, steps = EMA.update, iter(range(1, 10_000))

        def updated(self, model, largest):
            if next(steps) == number:
                how()
            update(self, model, largest)

        monkeypatch.setattr(EMA, "update", updated)

    return arrange


def sigterm():
    os.kill(os.getpid(), signal.SIGTERM)


def kill():
    raise Killed


def left_behind(folder: Path) -> dict:
    """Everything a run knows at its end."""
    found = {"metrics": json.loads((folder / "metrics.json").read_text())}
    for stage in STAGES:
        found[f"{stage}/rows"] = (folder / stage / "metrics.csv").read_text()
        last = torch.load(folder / stage / "checkpoints" / "last.ckpt", weights_only=True)
        keys = ("state_dict", "optimizer_states", "samples_seen")
        leaves, _ = torch.utils._pytree.tree_flatten_with_path({key: last[key] for key in keys})
        found |= {f"{stage}/{path}": leaf for path, leaf in leaves}
        averaged = load_file(folder / stage / "model.safetensors")
        found |= {f"{stage}/averaged/{name}": value for name, value in averaged.items()}
    return found


def assert_same(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        same = torch.equal(value, other[name]) if torch.is_tensor(value) else value == other[name]
        assert same, name


@pytest.mark.parametrize(("how", "more"), [(sigterm, []), (kill, [ADVERSARIAL])])
def test_a_run_stopped_in_both_stages_ends_as_an_uninterrupted_one(
    quick, finished, at_step, capsys, how, more
):
    arguments = [*quick, *more]
    whole = finished(arguments)
    for step in (3, 5 + 7):  # in the tokenizer's stage; then in its last steps and the prior's
        at_step(step, how)
        with pytest.raises((SystemExit, Killed)) as stopped:
            train.main(arguments)
        if how is sigterm:
            assert stopped.value.code == 143
            assert "state saved: the same command goes on" in capsys.readouterr().err
    train.main(arguments)
    assert_same(left_behind(folder_of(arguments)), left_behind(whole))


def test_a_process_killed_in_mid_stage_goes_on_at_its_checkpoint(quick, finished):
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    last = folder_of(quick) / "tokenizer" / "checkpoints" / "last.ckpt"
    with subprocess.Popen([sys.executable, "train.py", *quick], cwd=ROOT, env=environment) as one:
        deadline = time.monotonic() + 120
        while not last.is_file() and one.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        one.kill()
    assert last.is_file()
    train.main(quick)
    assert_same(left_behind(folder_of(quick)), left_behind(finished(quick)))


def test_finished_stages_are_skipped_and_scored_again(quick, finished, at_step, tmp_path):
    shutil.copytree(finished(quick), folder_of(quick))
    (folder_of(quick) / "metrics.json").unlink()
    for stage in STAGES:  # else one that is entered again would find nothing left to train
        shutil.move(folder_of(quick) / stage / "checkpoints", tmp_path / stage)
    at_step(1, kill)
    train.main(quick)
    for stage in STAGES:
        assert not (folder_of(quick) / stage / "checkpoints").exists()
        shutil.move(tmp_path / stage, folder_of(quick) / stage / "checkpoints")
    assert_same(left_behind(folder_of(quick)), left_behind(finished(quick)))


def test_a_stage_killed_when_only_its_export_was_left_is_exported(quick, monkeypatch):
    arguments = [
        *quick,
        "stage=tokenizer",
        "tokenizer.training.samples=50",
    ]  # the last batch has 14 more
    with monkeypatch.context() as patch:
        patch.setattr(weights, "save", lambda *_, **__: kill())
        with pytest.raises(Killed):
            train.main(arguments)
    model = folder_of(quick) / "tokenizer" / "model.safetensors"
    assert not model.exists()
    train.main(arguments)
    assert weights.read_facts(model)["samples"] == 50


def test_sigterm_while_latents_are_encoded_stops_and_keeps_what_is_whole(
    quick, finished, monkeypatch
):
    shutil.copytree(finished(quick) / "tokenizer", folder_of(quick) / "tokenizer")
    samples = LatentCache._samples

    def told(self, *arguments):
        sigterm()
        return samples(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(LatentCache, "_samples", told)
        with pytest.raises(SystemExit) as stopped:
            train.main(quick)
    assert stopped.value.code == 143
    prior = folder_of(quick) / "prior"
    assert not (prior / "checkpoints").exists()
    train.main(quick)
    assert (prior / "model.safetensors").is_file()


def test_a_prior_of_cached_latents_is_the_prior_of_fresh_ones(quick, finished):
    cached, fresh = finished(quick), folder_of(quick)
    shutil.copytree(cached / "tokenizer", fresh / "tokenizer")
    train.main([*quick, "trainer.cache_latents=false"])
    assert (cached.parent / ".latents").is_dir()
    assert not (fresh.parent / ".latents").exists()
    one, other = (load_file(run / "prior" / "model.safetensors") for run in (cached, fresh))
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize("logger", ["tensorboard", "wandb"])
@pytest.mark.usefixtures("logged_out")
def test_loggers_are_chosen_by_the_configuration(quick, logger):
    run = folder_of(quick)
    train.main([*quick, f"logger={logger}", "stage=tokenizer", "tokenizer.training.samples=64"])
    if logger == "tensorboard":
        scores = EventAccumulator(str(run / "tensorboard")).Reload()
        losses = scores.Scalars("tokenizer/loss")
        (psnr,) = [(one.step, one.value) for one in scores.Scalars("evaluation/psnr")]
        pictures = [one.step for one in scores.Images("evaluation/reconstructions.png")]
    else:
        rows = history(run)
        losses = [row for row in rows if "tokenizer/loss" in row]
        (psnr,) = [
            (row["evaluation/samples"], row["evaluation/psnr"])
            for row in rows
            if "evaluation/psnr" in row
        ]
        name = "evaluation/reconstructions.png"
        pictures = [row["evaluation/samples"] for row in rows if name in row]
    assert losses
    measured = json.loads((run / "metrics.json").read_text())
    assert psnr == (1, pytest.approx(measured["psnr"]))  # the first evaluation
    assert pictures == [1]


def test_latents_that_do_not_vary_end_training_in_words(tiny, capsys):
    constant = ["tokenizer.training.samples=64", "tokenizer.bottleneck.codes=1", "stage=tokenizer"]
    with pytest.raises(SystemExit) as stopped:
        train.main([*tiny, *constant, "eval.scorers=[]"])
    assert stopped.value.code == 1
    printed = capsys.readouterr()
    assert "after 64 samples the quantiser gives all of a batch the same code" in printed.out
    assert "error: tokenizer: latents cannot be normalised" in printed.err


def test_two_processes_train_both_stages_and_score_as_one_does(quick):
    command = [sys.executable, "train.py", *quick, "trainer=ddp_cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    said = folder_of(quick).parent / "said"
    said.parent.mkdir(parents=True)
    with (
        said.open("w") as file,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, start_new_session=True, stdout=file, stderr=file
        ) as both,
    ):
        try:
            assert both.wait(timeout=240) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(both.pid, signal.SIGKILL)
    assert not re.search("Warning|distributed|max_epochs", said.read_text())
    folder = folder_of(quick)
    two = json.loads((folder / "metrics.json").read_text())
    assert OmegaConf.load(folder / "prior" / "config.yaml").trainer.devices == 2
    one = evaluate(load_run(folder, []))
    # Kernel distances take random subsets, inception scores tenths, in the order of the features,
    # which ranks gather one after the other: those two differ within their deviations.
    ordered = {name for name in one if name.startswith(("kd_", "is_"))}
    for name in one.keys() - ordered:
        assert one[name] == pytest.approx(two[name], rel=1e-4, abs=1e-6), name
