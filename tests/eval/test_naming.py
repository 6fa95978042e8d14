"""Names of evaluations: one of a run's own, others beside it, none overwritten."""

import json
import shutil

import pytest

import eval.__main__


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def protocol(folder):
    return json.loads((folder / "metrics.json").read_text())["protocol"]["fd_classifier"]


def test_changed_settings_are_scored_beside_the_runs_own(run, capsys):
    before = (run / "metrics.json").read_bytes()
    eval.__main__.main([f"run={run}", "eval.samples=30", "sampler.steps=3", "guidance.scale=2"])
    folder = run / "evaluations" / "eval.samples_30-guidance.scale_2-sampler.steps_3"
    record = protocol(folder)
    assert (record["n"], record["network_calls"], record["guidance"]["scale"]) == (30, 3, 2)
    pictures = {"reconstructions.png", "samples.png"}
    assert pictures < {path.name for path in folder.iterdir()}
    assert (run / "metrics.json").read_bytes() == before
    out = capsys.readouterr().out
    assert "fd_classifier" in out
    assert "samples.png" in out.replace("\n", "")


@pytest.mark.parametrize("same", [[], ["sampler.steps=4", "eval.batch_size=40"]])
def test_the_runs_own_settings_are_its_own_evaluation(run, same):
    expected = protocol(run)
    (run / "metrics.json").unlink()
    eval.__main__.main([f"run={run}", "eval.scorers=[reconstructions,samples]", "name=other"])
    assert not (run / "metrics.json").exists()
    eval.__main__.main([f"run={run}", *same])
    assert protocol(run) == expected
    assert [path.name for path in (run / "evaluations").iterdir()] == ["other"]


def test_a_name_stands_for_the_settings_it_was_first_given_to(run, refused):
    fast = [f"run={run}", "eval.scorers=[reconstructions,samples]", "name=fast"]
    eval.__main__.main([*fast, "sampler.steps=3"])
    eval.__main__.main([*fast, "sampler.steps=3", "eval.batch_size=20"])  # the same again
    message = refused(eval.__main__.main, *fast, "sampler.steps=2")
    assert "fast holds an evaluation with another sampler.steps: choose another name" in message
    assert protocol(run / "evaluations" / "fast")["network_calls"] == 3


@pytest.mark.parametrize("name", ["", "..", "a/b", "/tmp/x", ".hidden", "a b"])
def test_a_name_that_is_no_folder_is_refused(run, refused, name):
    assert "name must be letters" in refused(eval.__main__.main, f"run={run}", f"name={name}")
