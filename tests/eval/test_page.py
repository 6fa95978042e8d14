"""Every command that docs/evaluation.md prints does what it says."""

import shlex
import shutil
from pathlib import Path

import pages
import pytest
from PIL import Image

import eval.__main__
import sample
import train
from data import Digits
from ldm.config.compose import compose

COMMANDS = [shlex.split(one) for one in pages.commands(pages.ROOT / "docs" / "evaluation.md")]
FEW = ["eval.samples=10"]  # whatever the page asks for


@pytest.fixture
def place(trained, tmp_path, monkeypatch) -> Path:
    """A working folder with a run, samples and reference pictures, as the page has it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, "runs/demo/digits")
    Path("reference").mkdir()
    for number, x in enumerate(Digits().test_dataset.__getitems__(range(12))["x"]):
        Image.fromarray((x[0] + 1).mul(127.5).byte().numpy()).save(f"reference/{number}.png")
    return tmp_path


def of(*start: str) -> list[list[str]]:
    return [words[len(start) :] for words in COMMANDS if words[: len(start)] == [*start]]


def test_there_are_commands_of_all_kinds():
    kinds = [of("python", "train.py"), of("python", "sample.py"), of("python", "-m", "eval")]
    assert sum(map(len, kinds)) == len(COMMANDS)
    assert all(kinds)


def test_the_unlabelled_experiment_composes():
    first, _ = of("python", "train.py")
    assert not compose(first).eval.scorers


def test_scores_are_recorded_while_a_prior_trains(tiny, place):
    _, arguments = of("python", "train.py")
    run = place / "runs/demo/digits"
    shutil.rmtree(run / "prior")
    short = [one for one in tiny if not one.startswith(("experiment=", "run="))]
    few = [
        "tokenizer.training.ema=0",
        "prior.training.samples=64",
        "running.samples=10",
        "eval.samples=10",
    ]
    train.main([*arguments, *short, *few, *FEW])
    assert "running_fd_classifier" in (run / "prior" / "metrics.csv").read_text()


def test_samples_are_drawn_and_compared(place, capsys):
    for arguments in of("python", "sample.py"):
        sample.main([*arguments, "sampler.steps=2"])
    for arguments in of("python", "-m", "eval", "folders"):
        eval.__main__.main(["folders", *arguments])
        assert "fd_classifier" in capsys.readouterr().out
    assert (place / "scores" / "metrics.json").is_file()


def test_runs_are_evaluated_under_names(place, capsys):
    named = [words for words in of("python", "-m", "eval") if words[0] != "folders"]
    own = (place / "runs/demo/digits/metrics.json").read_bytes()
    for arguments in named[1:]:
        eval.__main__.main([*arguments, *FEW])
        assert "fd_classifier" in capsys.readouterr().out
    evaluations = place / "runs/demo/digits/evaluations"
    assert {"fast", "noisy", "quality"} < {path.name for path in evaluations.iterdir()}
    assert (evaluations / "quality" / "plot.png").is_file()
    assert (place / "runs/demo/digits/metrics.json").read_bytes() == own
