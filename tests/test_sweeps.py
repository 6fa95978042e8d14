"""Sweeps: the folder of each job, and what is refused before the first begins."""

import pytest
from omegaconf import OmegaConf

import train

DEMO = "experiment=demo/digits"


def test_a_job_of_a_sweep_says_what_is_wrong(refused, tmp_path, monkeypatch):
    arguments = ["--multirun", DEMO, "seed=0,1", "sampler=flow_euler"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train.py", *arguments])
    assert "the sampler does not fit the prior" in refused(train.main, *arguments)


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """`sweep(*arguments)`: sweep in an empty folder; the configuration that each job trains."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> list:
        trained = []
        monkeypatch.setattr(train, "train", trained.append)
        monkeypatch.setattr("sys.argv", ["train.py", "--multirun", *arguments])
        train.main(["--multirun", *arguments])
        return trained

    return run


def test_jobs_of_a_sweep_have_folders_named_after_what_they_override(sweep, tmp_path):
    swept = ["sampler.steps=3", "seed=0,1"]
    assert [job.run for job in sweep(DEMO, *swept)] == [
        f"runs/demo/digits,sampler.steps=3,seed={seed}" for seed in (0, 1)
    ]
    jobs = sweep("experiment=demo/sphere,demo/digits", "run=mine")
    assert [(job.run, job.data._target_) for job in jobs] == [
        ("mine", "data.VonMisesFisher"),
        ("mine", "data.Digits"),
    ]
    assert [job.run for job in sweep(DEMO, "run=mine", "seed=2,3")] == [
        "mine,seed=2",
        "mine,seed=3",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]  # and no logs of Hydra's


def test_the_order_of_overrides_names_no_other_folder(sweep):
    first, second = ["sampler.steps=3", "seed=0,1"], ["seed=0,1", "sampler.steps=3"]
    assert [job.run for job in sweep(DEMO, *first)] == [job.run for job in sweep(DEMO, *second)]


def test_a_sweep_is_described_job_by_job(sweep, tmp_path, capsys):
    assert sweep("experiment=demo/sphere", "seed=0,1", "describe=true") == []
    table = capsys.readouterr().out
    for seed in (0, 1):
        assert OmegaConf.load(f"runs/demo/sphere,seed={seed}/config.yaml").seed == seed
        assert f"runs/demo/sphere,seed={seed}" in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([DEMO, "seed=0,1", "sede=3"], "unknown key 'sede': did you mean 'seed'?"),
        (["experiment=demo/digts", "seed=0,1"], "did you mean 'demo/digits'?"),
        ([DEMO, "seed=0,-1"], "seed must be at least 0 and below 2^63, got -1"),
        ([DEMO, "sampler=ddim,ddimm"], "no sampler 'ddimm': did you mean 'ddim'?"),
        ([DEMO, "seed=(0,1"], "Error parsing override 'seed=(0,1'"),
        ([DEMO, "seed=0,1", "--cfg"], "no option --cfg: there is --multirun, and key=value"),
        (["seed=0,1"], "name an experiment: experiment="),
    ],
)
def test_what_is_wrong_with_any_job_is_said_before_the_first(
    refused, monkeypatch, arguments, message
):
    def untimely():
        raise AssertionError("jobs were sent")

    monkeypatch.setattr(train, "sweep", untimely)
    assert message in refused(train.main, "--multirun", *arguments)
