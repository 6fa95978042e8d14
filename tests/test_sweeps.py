"""Sweeps: the folder of each job, and what is refused before the first begins."""

import json
import signal
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import train as command
from ldm.stopping import Stopped
from ldm.training import Diverged

DEMO = "experiment=demo/digits"


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """`sweep(*arguments)`: sweep in an empty folder; the configuration that each job trains."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, train=lambda config: None, option="--multirun") -> list:
        trained = []

        def job(config):
            trained.append(config)
            train(config)

        monkeypatch.setattr(command, "train", job)
        monkeypatch.setattr("sys.argv", ["train.py"])
        command.main([*([option] if option else []), *arguments])
        return trained

    return run


def test_jobs_of_a_sweep_have_folders_named_after_what_is_swept(sweep, tmp_path):
    swept = ["sampler.steps=3", "seed=0,1"]
    assert [job.run for job in sweep(DEMO, *swept)] == [
        f"runs/demo/digits-seed_{seed}" for seed in (0, 1)
    ]
    jobs = sweep("experiment=demo/sphere,demo/digits")
    assert [(job.run, job.data._target_) for job in jobs] == [
        ("runs/demo/sphere", "data.VonMisesFisher"),
        ("runs/demo/digits", "data.Digits"),
    ]
    jobs = sweep("experiment=demo/sphere,demo/digits", "run=runs/mine")
    assert [job.run for job in jobs] == [
        "runs/mine-experiment_demo.sphere",
        "runs/mine-experiment_demo.digits",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]  # and no logs of Hydra's


@pytest.mark.parametrize("option", ["-m", "--multirun"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_option_stands_anywhere(sweep, option, place):
    arguments = [DEMO, "seed=0,1"]
    arguments.insert(place, option)
    assert len(sweep(*arguments, option=None)) == 2


def test_one_job_that_fails_does_not_end_the_sweep(sweep, capsys):
    def diverges(config):
        if config.seed == 1:
            raise Diverged("loss not finite after 640 samples")
        if config.seed == 2:
            raise RuntimeError("a fault of ours")
        Path(config.run, "metrics.json").write_text(
            json.dumps({"psnr": 20 + config.seed, "protocol": {}})
        )

    with pytest.raises(SystemExit) as stopped:
        sweep(DEMO, "seed=0,1,2,3", train=diverges)
    assert stopped.value.code == 1
    out, err = capsys.readouterr()
    assert err.count("error: loss not finite after 640 samples") == 1
    assert "2 of 4 jobs failed:" in err
    assert "runs/demo/digits-seed_1: loss not finite after 640 samples" in err
    assert "runs/demo/digits-seed_2: RuntimeError: a fault of ours" in err
    rows = [line.split() for line in out.splitlines() if line.startswith("│ seed=")]
    assert [(row[1], row[3]) for row in rows] == [("seed=0", "20"), ("seed=3", "23")]
    sweep(DEMO, "seed=1,2", train=lambda config: None)  # the same jobs again, which end well
    assert not list(Path("runs").rglob("error.txt"))


def test_a_stop_ends_the_whole_sweep(sweep):
    begun = []

    def stopped(config):
        begun.append(config.run)
        raise Stopped(signal.SIGTERM, "state saved")

    with pytest.raises(SystemExit) as ended:
        sweep(DEMO, "seed=0,1", train=stopped)
    assert (len(begun), ended.value.code) == (1, 143)


def test_the_order_of_overrides_names_no_other_folder(sweep):
    first, second = ["sampler.steps=3", "seed=0,1"], ["seed=0,1", "sampler.steps=3"]
    assert [job.run for job in sweep(DEMO, *first)] == [job.run for job in sweep(DEMO, *second)]


def test_a_sweep_is_described_job_by_job(sweep, tmp_path, capsys):
    assert sweep("experiment=demo/sphere", "seed=0,1", "describe=true") == []
    table = capsys.readouterr().out
    for seed in (0, 1):
        assert OmegaConf.load(f"runs/demo/sphere-seed_{seed}/config.yaml").seed == seed
        assert f"runs/demo/sphere-seed_{seed}" in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([DEMO, "seed=0,1", "sede=3"], "unknown key 'sede': did you mean 'seed'?"),
        (["experiment=demo/digts", "seed=0,1"], "did you mean 'demo/digits'?"),
        ([DEMO, "seed=0,-1"], "seed must be at least 0 and below 2^63, got -1"),
        ([DEMO, "sampler=ddim,ddimm"], "no sampler 'ddimm': did you mean 'ddim'?"),
        ([DEMO, "seed=(0,1"], "seed=(0,1 cannot be read"),
        ([DEMO, "seed=0,1", "--cfg"], "no option --cfg: there is --multirun, and key=value"),
        (["seed=0,1"], "name an experiment: experiment="),
        ([DEMO, "run=mine", "stage=tokenizer,tokenizer"], "two jobs of the sweep would share"),
    ],
)
def test_what_is_wrong_with_any_job_is_said_before_the_first(
    refused, monkeypatch, arguments, message
):
    def untimely():
        raise AssertionError("jobs were sent")

    monkeypatch.setattr(command, "sweep", untimely)
    assert message in refused(command.main, "--multirun", *arguments)
