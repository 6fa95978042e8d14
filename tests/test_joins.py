"""Joints between the parts of a run, seen from its commands and the files they leave behind."""

import functools
import json
import math
import os
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SHORT
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import eval.__main__
import sample
import train
from data import Digits, VonMisesFisher
from eval.extractors.classifier import Classifier
from ldm import distributed
from ldm.bottlenecks import GroupedSphericalQuantizer
from ldm.networks.images.dit import DiT
from ldm.networks.images.gsq import Encoder
from ldm.priors import Denoiser
from ldm.tokenizers import Tokenizer
from ldm.training.ema import EMA

STAGES = ("tokenizer", "prior")
SPHERE = [
    "experiment=demo/sphere",
    "data.size=101",
    "data.kappa=3",
    "prior.backbone.width=16",
    "prior.training.samples=256",
    "prior.training.batch_size=64",
    "sampler.steps=3",
    "trainer.accelerator=cpu",
    "trainer.pictures=1",
    "trainer.records=2",
    "eval.samples=51",
    "eval.mass=0",
    "eval.likelihood.steps=2",
]
PLANE = [
    *["tokenizer=points/stereographic", "prior=rfm", "sampler=flow_euler"],
    *["data=vmf", "eval=points", "stages=[prior]"],
    *[argument for argument in SPHERE if not argument.startswith(("experiment", "sampler"))],
]


@pytest.fixture
def quick(tmp_path, trained_cache, monkeypatch) -> list[str]:
    """The demo on digits, two steps a stage, with the classifier that tests share."""
    monkeypatch.setenv("LDM_CACHE", str(shutil.copytree(trained_cache, tmp_path / "cache")))
    few = [f"{stage}.training.samples=128" for stage in STAGES]
    small = ["tokenizer.encoder.multipliers=[1,1]", "tokenizer.bottleneck.codes=16"]
    return [*SHORT, *few, *small]


@pytest.fixture
def copied(trained, tmp_path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def constructed(monkeypatch) -> Counter:
    """Counts the models, their parts and the data modules that are made."""
    counts = Counter()

    def count(kind: type) -> None:
        make = kind.__init__

        @functools.wraps(make)
        def counted(self, *arguments, **named):
            counts[kind.__name__] += type(self) is kind
            make(self, *arguments, **named)

        monkeypatch.setattr(kind, "__init__", counted)

    for kind in (Tokenizer, Encoder, GroupedSphericalQuantizer, Denoiser, DiT, Digits):
        count(kind)
    return counts


def test_a_run_makes_each_part_once(quick, tmp_path, constructed):
    train.main([*quick, f"run={tmp_path}/run"])
    assert set(constructed.values()) == {1}, constructed
    assert len(constructed) == 6


@pytest.fixture
def spoil_last_average(monkeypatch):
    """`spoil_last_average(steps)`: the average of the last of so many steps is of no use."""

    def arrange(steps: int) -> None:
        update, taken = EMA.update, iter(range(1, 10_000))

        def spoilt(self, model, largest=1.0):
            update(self, model, largest)
            if next(taken) == steps:
                for parameter in self.model.parameters():
                    parameter.data.mul_(30).add_(3)

        monkeypatch.setattr(EMA, "update", spoilt)

    return arrange


def weights_of(run: Path, stage: str) -> dict[str, torch.Tensor]:
    return load_file(run / stage / "model.safetensors")


def metrics(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


def test_a_stage_leaves_the_averaged_weights_of_its_last_checkpoint(quick, tmp_path):
    averaged = [f"{stage}.training.ema=0.5" for stage in STAGES]
    train.main([*quick, *averaged, "eval.scorers=[]", f"run={tmp_path}/run"])
    for stage in STAGES:
        last = tmp_path / "run" / stage / "checkpoints" / "last.ckpt"
        state = torch.load(last, weights_only=True)["state_dict"]
        left = weights_of(tmp_path / "run", stage)
        averages = {name for name in left if f"ema.model.{name}" in state}
        measured = {"mean", "std"} if stage == "tokenizer" else set()  # of the latents, at the end
        assert averages == left.keys()
        for name in averages - measured:
            assert torch.equal(left[name], state[f"ema.model.{name}"]), name
        raw = [name for name in averages if not torch.equal(left[name], state[f"model.{name}"])]
        assert raw, stage


def test_a_selected_prior_is_the_best_and_not_the_last(tmp_path, undrawn, spoil_last_average):
    selection = (
        "prior.training.selection={_target_: ldm.training.Selection, every: 64, likelihood: "
        "{_target_: ldm.samplers.Likelihood, steps: 2}}"
    )
    spoil_last_average(4)
    train.main([*SPHERE, selection, "eval.scorers=[]", f"run={tmp_path}"])
    with safe_open(tmp_path / "prior" / "best.safetensors", framework="pt") as best:
        kept = {name: best.get_tensor(name) for name in best.keys()}  # noqa: SIM118
    left = weights_of(tmp_path, "prior")
    last = torch.load(tmp_path / "prior" / "checkpoints" / "last.ckpt", weights_only=True)
    assert left.keys() == kept.keys()
    assert all(torch.equal(left[name], kept[name]) for name in left)
    changed = [n for n in left if not torch.equal(left[n], last["state_dict"][f"ema.model.{n}"])]
    assert len(changed) > len(left) / 2


def test_an_export_is_of_a_checkpoint_that_has_seen_every_sample(quick, tmp_path):
    # Between the last checkpoint that is due, at 61, and the end, at 62, no other one is.
    samples = ["tokenizer.training.samples=62", "tokenizer.training.batch_size=2"]
    many = ["trainer.checkpoints=20", "stages=[tokenizer]", "eval.scorers=[]"]
    train.main([*quick, *samples, *many, f"run={tmp_path}/run"])
    last = tmp_path / "run" / "tokenizer" / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["samples_seen"] == 62


def test_a_seed_decides_the_initial_weights_of_both_stages(quick, tmp_path):
    still = [f"{stage}.training.{key}" for stage in STAGES for key in ("samples=64", "ema=0")]
    still += [f"{stage}.training.optimizer.lr=1e-12" for stage in STAGES]
    for before, (name, seed) in enumerate({"first": 1, "again": 1, "other": 2}.items()):
        torch.manual_seed(before)  # which must not matter
        train.main([*quick, *still, "eval.scorers=[]", f"seed={seed}", f"run={tmp_path}/{name}"])
    for stage in STAGES:
        first, again, other = (weights_of(tmp_path / n, stage) for n in ("first", "again", "other"))
        for name, value in first.items():
            torch.testing.assert_close(again[name], value, atol=1e-6, rtol=0)
        apart = Counter((other[n] - x).abs().max().item() > 0.01 for n, x in first.items())
        assert apart[True] > len(first) / 4  # many a bias begins at 0


@pytest.mark.parametrize("left", ["checkpoints/last.ckpt", "model.safetensors"])
@pytest.mark.parametrize(
    ("stage", "changed"),
    [
        ("tokenizer", "seed=1"),
        ("tokenizer", "tokenizer.bottleneck.codes=64"),
        ("tokenizer", "data.seed=7"),
        ("prior", "seed=1"),
        ("prior", "prior.backbone.width=64"),
        ("prior", "prior.training.batch_size=32"),
        ("prior", "tokenizer.bottleneck.codes=64"),
    ],
)
def test_a_stage_goes_on_with_the_configuration_it_was_begun_with(
    copied, refused, stage, changed, left
):
    gone = {"checkpoints/last.ckpt": "model.safetensors", "model.safetensors": "checkpoints"}
    path = copied / stage / gone[left]
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    same = [f"{s}.training.ema=0" for s in STAGES] + ["prior.training.optimizer.lr=3e-3"]
    same += ["data.seed=0"]  # which else follows the seed of the run
    message = refused(train.main, *SHORT, *same, f"stage={stage}", f"run={copied}", changed)
    key = changed.partition("=")[0]
    assert f"{copied / stage} was begun with another configuration of {key}: choose" in message


def test_finished_stages_are_not_entered_again(copied, monkeypatch):
    def untimely(*_, **__):
        raise AssertionError("a step was taken")

    before = {stage: weights_of(copied, stage) for stage in STAGES}
    for stage in STAGES:
        shutil.rmtree(copied / stage / "checkpoints")  # so that training would begin anew
    monkeypatch.setattr(EMA, "update", untimely)
    same = [f"{s}.training.ema=0" for s in STAGES] + ["prior.training.optimizer.lr=3e-3"]
    train.main([*SHORT, *same, f"run={copied}"])
    for stage in STAGES:
        after = weights_of(copied, stage)
        assert all(torch.equal(after[name], value) for name, value in before[stage].items())


@pytest.mark.parametrize("classes", [5, 9])
def test_a_prior_of_fewer_classes_than_the_data_is_refused(refused, tmp_path, classes):
    fewer = f"+prior.backbone.classes={classes}"
    message = refused(train.main, *SHORT, fewer, f"run={tmp_path}/run")
    assert f"classes={classes} is fewer than the 10 classes of digits" in message
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {".lock"}


def test_label_accuracy_is_the_share_of_samples_of_the_class_they_were_asked_to_be(
    copied, tmp_path
):
    sample.main([f"run={copied}", "n=40", f"output={tmp_path}/drawn"])
    with np.load(tmp_path / "drawn" / "samples.npz") as drawn:
        grey, asked = torch.from_numpy(drawn["arr_0"][..., :1]), torch.from_numpy(drawn["arr_1"])
    classifier = Classifier.trained(Digits(), Path(os.environ["LDM_CACHE"], "classifiers"))
    predicted = classifier(grey.permute(0, 3, 1, 2)).logits.argmax(1)
    assert (predicted != asked).any()
    expected = (predicted == asked).float().mean().item()
    eval.__main__.main([f"run={copied}"])
    assert metrics(copied)["label_accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize("newest", STAGES)
def test_a_run_is_used_as_its_last_stage_was_configured_whatever_the_times_of_files(copied, newest):
    path = copied / newest / "config.yaml"
    path.write_text(path.read_text().replace("samples: 40\n", "samples: 31\n"))
    for stage, age in zip(STAGES, (5, 1) if newest == "prior" else (1, 5), strict=True):
        when = time.time() - age
        os.utime(copied / stage / "config.yaml", (when, when))
    eval.__main__.main([f"run={copied}"])
    assert metrics(copied)["protocol"]["fd_classifier"]["n"] == (31 if newest == "prior" else 40)


@pytest.mark.parametrize("kind", ["sphere", "plane"])
def test_an_untrained_flow_has_the_likelihood_of_its_base_distribution_on_the_sphere(
    tmp_path, undrawn, kind
):
    arguments = {"sphere": SPHERE, "plane": PLANE}[kind]
    train.main([*arguments, f"run={tmp_path}/run"])
    model = tmp_path / "run" / "prior" / "model.safetensors"
    with safe_open(model, framework="pt") as file:
        facts, names = file.metadata(), file.keys()
        zeros = {name: torch.zeros_like(file.get_tensor(name)) for name in names}
    save_file(zeros, model, metadata=facts)
    eval.__main__.main([f"run={tmp_path}/run"])
    x = VonMisesFisher(kappa=3, size=101).test_dataset.points.double()
    log_density = torch.full((101,), -math.log(4 * math.pi)).double()
    if kind == "plane":
        # A standard normal y = 2 x' / (1 + z), where the map stretches areas by (2 / (1 + z))^2.
        stretch = 2 / (1 + x[:, 2])
        y = stretch[:, None] * x[:, :2]
        log_density = -math.log(2 * math.pi) - y.square().sum(1) / 2 + 2 * stretch.log()
    assert metrics(tmp_path / "run")["nll"] == pytest.approx(-log_density.mean().item(), abs=1e-4)


def test_two_processes_score_points_as_one_does(tmp_path, undrawn, two_processes):
    train.main([*SPHERE, f"run={tmp_path}/one"])
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    eval.__main__.main([f"run={tmp_path}/one"])
    (tmp_path / "two" / "metrics.json").unlink()

    def work(rank: int) -> int:
        eval.__main__.main([f"run={tmp_path}/two"])
        return distributed.world()

    assert two_processes(work) == [2, 2]
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one.keys() - {"protocol"}:
        assert two[name] == pytest.approx(one[name], rel=1e-4, abs=1e-6), name
