"""Scores of a prior at each record of its training, which is the same with them and without."""

import csv
import json
import math
import shutil
from pathlib import Path

import pytest
import torch

import train
from data import Digits
from eval.evaluation import Evaluation
from eval.record import Record
from eval.running import Running
from eval.scorers import Scorer
from ldm import distributed
from ldm.config.compose import compose
from ldm.progress import progress
from ldm.run.changes import changes
from ldm.run.loading import load_run
from ldm.run.parts import Parts
from ldm.samplers import Unsolved
from ldm.training.ema import EMA

RUNNING = "running={scorers: [samples], samples: 40}"
DEMO = "experiment=demo/digits"


class Killed(BaseException):
    """Like a kill -9: nothing that stands in its way is called."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def prior(tiny, trained, runs):
    """`prior(folder, *overrides)`: train a prior on a copy of a trained tokenizer; its folder."""
    few = ["tokenizer.training.ema=0", "prior.training.samples=256"]
    few += ["eval.scorers=[samples]", "~eval.lpips"]

    def run(folder: str, *overrides: str) -> Path:
        to = runs / folder
        if not (to / "metrics.json").exists():
            shutil.copytree(trained / "tokenizer", to / "tokenizer", dirs_exist_ok=True)
            train.main([*tiny, *few, *overrides, f"run={to}"])
        return to

    return run


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "prior" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_training_is_the_same_with_scores_and_without_and_they_end_as_the_evaluation(
    prior, capsys
):
    plain = prior("plain")
    before = capsys.readouterr().out.count("samples: ")  # progress of the drawing
    scored = prior("scored", RUNNING)
    assert capsys.readouterr().out.count("samples: ") == before
    for name in ("model.safetensors", "checkpoints/last.ckpt"):
        assert (plain / "prior" / name).read_bytes() == (scored / "prior" / name).read_bytes()
    for one, other in zip(rows(plain), rows(scored), strict=True):
        assert one == {key: x for key, x in other.items() if not key.startswith("running_")}
    measured = json.loads((scored / "metrics.json").read_text())
    found = {key: float(x) for key, x in rows(scored)[-1].items() if key.startswith("running_")}
    assert {"running_fd_classifier", "running_label_accuracy"} < found.keys()
    expected = {key: measured[key.removeprefix("running_")] for key in found}
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_resumed_training_has_the_scores_of_an_uninterrupted_one(prior, monkeypatch):
    update, steps = EMA.update, iter(range(4))

    def killed(self, model, largest):
        if next(steps) == 2:
            raise Killed
        update(self, model, largest)

    with monkeypatch.context() as patch:
        patch.setattr(EMA, "update", killed)
        with pytest.raises(Killed):
            prior("parts", RUNNING)
    assert rows(prior("parts", RUNNING)) == rows(prior("scored", RUNNING))


def test_a_begun_stage_takes_scores_up_and_gives_them_up():
    with_scores, without = compose([DEMO, RUNNING]), compose([DEMO])
    assert changes(without, with_scores, "prior") == []
    assert changes(with_scores, without, "prior") == []


def test_two_processes_score_as_one_does_and_leave_the_model_as_it_was(trained, two_processes):
    parts = load_run(trained, [])
    parts.prior.eval().requires_grad_(False)
    running = Running(Evaluation(["samples"], samples=40))

    def facts() -> list:
        modules = [module.training for model in parts.models.values() for module in model.modules()]
        return [*modules, *(x.requires_grad for x in parts.prior.parameters())]

    def work(rank):
        distributed.join()
        return running.score(parts)

    before = facts()
    one = running.score(parts)
    assert facts() == before
    unordered = {name for name in one if not name.startswith(("running_kd", "running_is"))}
    for two in two_processes(work):
        for name in unordered:
            assert two[name] == pytest.approx(one[name], rel=1e-3, abs=1e-6), name


class Fake(Scorer):
    """A scorer that uses the global generator and shows progress, and gives one value or fails."""

    def __init__(self, name: str, value: float | Exception) -> None:
        self.name, self.value = name, value

    def check(self, parts: Parts) -> None: ...

    def score(self, parts: Parts, record: Record) -> None:
        with progress(self.name, 1) as advance:
            advance(1)
        torch.rand(3)
        if isinstance(self.value, Exception):
            raise self.value
        record.add({self.name: torch.tensor(self.value)})


def test_a_score_that_fails_is_left_out_with_a_warning_and_the_others_stay(capsys):
    evaluation = Evaluation([])
    failures = [Unsolved("no number"), ValueError("no rank"), torch.linalg.LinAlgError("singular")]
    evaluation.scorers = [Fake("lost", failure) for failure in failures]
    evaluation.scorers += [Fake("nan", math.nan), Fake("infinite", math.inf), Fake("sound", 0.5)]
    state = torch.random.get_rng_state()
    with pytest.warns(UserWarning, match="^(the )?running scores") as warned:
        found = Running(evaluation).score(Parts(compose([DEMO]), Digits()))
    assert found == {"running_sound": 0.5}
    said = " ".join(str(one.message) for one in warned)
    assert all(word in said for word in ("no number", "no rank", "singular", "nan, infinite"))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert capsys.readouterr() == ("", "")


def test_a_fault_of_a_scorer_is_not_hidden():
    evaluation = Evaluation([])
    evaluation.scorers = [Fake("broken", TypeError("no such argument"))]
    with pytest.raises(TypeError, match="no such argument"):
        Running(evaluation).score(Parts(compose([DEMO]), Digits()))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("running={scorers: [samples], samples: 9}", "running: samples must be 10 or more"),
        ("running={scorers: [mass]}", "running: digits holds no points"),
        ("running={scorers: [sample]}", "running.scorers.0: no scorer 'sample'"),
        ("running={scorers: [samples], sample: 9}", "unknown key 'running.sample'"),
        ("running.samples=many", "running.samples must be a whole number, got 'many'"),
        ("running={scorers: [samples], seed: -1}", "running.seed must be at least 0"),
        ("running=3", "running must have a _target_, got 3"),
    ],
)
def test_what_cannot_be_scored_is_refused_before_training(tiny, refused, override, message):
    assert message in refused(train.main, *tiny, "running.scorers=[samples]", override)
