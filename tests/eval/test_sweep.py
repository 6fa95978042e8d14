"""Sweeps of an evaluation: a table and a plot over all jobs of a name."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import eval.__main__
from eval.sweep import plot
from ldm.samplers import DDIM, Unsolved

SAMPLES = "eval.scorers=[reconstructions,samples]"


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def table(folder):
    with (folder / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_is_a_table_and_a_plot_of_evaluations(run, capsys):
    own = (run / "metrics.json").read_bytes()
    arguments = ["sampler.steps=2,3", "guidance.scale=1,40", "name=quality", SAMPLES]
    eval.__main__.main(["--multirun", f"run={run}", *arguments])
    folder = run / "evaluations" / "quality"
    rows = table(folder)
    settings = [(row["sampler.steps"], row["guidance.scale"]) for row in rows]
    assert settings == [("2", "1"), ("2", "40"), ("3", "1"), ("3", "40")]
    for row, (steps, scale) in zip(rows, settings, strict=True):
        one = folder / f"guidance.scale_{scale}-sampler.steps_{steps}"
        found = json.loads((one / "metrics.json").read_text())
        assert float(row["fd_classifier"]) == found["fd_classifier"]
        assert found["protocol"]["fd_classifier"]["network_calls"] == int(steps)
    assert len({row["fd_classifier"] for row in rows}) == 4
    with Image.open(folder / "plot.png") as picture:
        assert np.asarray(picture).std() > 10
    assert (run / "metrics.json").read_bytes() == own
    assert "fd_classifier" in capsys.readouterr().out


def test_a_later_sweep_of_the_same_key_extends_the_table(run):
    for scales in ("1,2", "2,4"):
        eval.__main__.main([f"run={run}", f"guidance.scale={scales}", "-m", SAMPLES])
    (folder,) = (run / "evaluations").iterdir()
    assert [row["guidance.scale"] for row in table(folder)] == ["1", "2", "4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sampler.steps=3"], "nothing to sweep over: give a key several values"),
        (
            ["data.seed=0,1"],
            "sampling, guidance that scores depend on, got data.seed",
        ),
        (["eval.batch_size=2,3"], "that scores depend on, got eval.batch_size"),
        (["sampler.steps=2,1001"], "sampler.steps must be between 1 and the prior's 1000"),
        (["eval.samples=40,3"], "samples must be 10 or more"),
        (["sampler.stps=2,3"], "unknown key 'sampler.stps': did you mean 'steps'"),
    ],
)
def test_what_is_wrong_with_any_job_is_said_before_the_first(
    refused, run, monkeypatch, arguments, message
):
    monkeypatch.setattr("eval.sweep.evaluate", None)
    assert message in refused(eval.__main__.main, "-m", f"run={run}", SAMPLES, *arguments)
    assert not (run / "evaluations").exists()


def test_a_job_that_fails_does_not_end_the_others(run, monkeypatch, capsys):
    walk = DDIM.walk

    def failing(self, *rest):
        if self.steps == 3 and len(rest[2]) > 1:  # not in the check before, of one sample
            raise Unsolved("too steep")
        return walk(self, *rest)

    monkeypatch.setattr(DDIM, "walk", failing)
    with pytest.raises(SystemExit) as stopped:
        eval.__main__.main(["-m", f"run={run}", "sampler.steps=3,2,4", SAMPLES])
    assert stopped.value.code == 1
    assert "too steep" in capsys.readouterr().err
    (folder,) = (run / "evaluations").iterdir()
    assert [row["sampler.steps"] for row in table(folder)] == ["2", "4"]


def test_a_plot_shows_the_scores_that_vary_a_line_for_each_of_the_other_keys():
    rows = [
        {"steps": steps, "sampler": name, "fd": steps + place, "psnr": 3.0}
        for steps in (1, 2, 4)
        for place, name in enumerate(("ddim", "euler"))
    ]
    draw, _ = plot(rows, ["steps", "sampler"])
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    draw(figure)
    (panel,) = [axes for axes in figure.axes if axes.axison]
    assert panel.get_title() == "fd"
    lines = {line.get_label(): line.get_xydata().tolist() for line in panel.lines}
    assert lines == {
        "sampler=ddim": [[1, 1], [2, 2], [4, 4]],
        "sampler=euler": [[1, 2], [2, 3], [4, 5]],
    }
