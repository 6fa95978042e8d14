"""Published tables beside runs that are complete, reduced, or not there."""

import json
import shutil

import pytest
from omegaconf import OmegaConf

from eval import published as module
from eval.reproduce import main, record, reproduce
from ldm.config.compose import ConfigError, compose, overridden
from ldm.run.folder import Run, write_config


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of one row, the demo's, and the runs beside it."""
    table = {
        "title": "A table",
        "protocol": "some protocol",
        "columns": ["psnr", "rfid"],
        "rows": [
            {"name": "ours", "experiment": "demo/digits", "published": {"psnr": 20, "rfid": 1.5}}
        ],
    }
    (tmp_path / "tables").mkdir()
    OmegaConf.save(table, tmp_path / "tables" / "some.yaml")
    monkeypatch.setattr(module, "TABLES", tmp_path / "tables")
    return tmp_path / "runs"


def finish(runs, *overrides, folder="digits", psnr=21.5):
    config = compose(["experiment=demo/digits", *overrides])
    run = Run(runs / "demo" / folder)
    for stage in config.stages:
        run.keep_config(stage, config)
    run.metrics.write_text(json.dumps({"psnr": psnr, "protocol": {}}))
    effort = {"seconds": 1800.0, "machine": "an abacus"}
    (run.stage("prior") / "effort.json").write_text(json.dumps(effort))


def test_a_run_that_is_not_there_is_not_run(table):
    (row,) = reproduce("some", table)
    assert row["published"] == {"psnr": 20, "rfid": 1.5}
    assert row["ours"] == {}
    assert row["scale"] == "not run"


def test_a_baseline_has_published_numbers_only(table):
    path = table.parent / "tables" / "some.yaml"
    rows = OmegaConf.load(path)
    rows.rows[0].experiment = None
    OmegaConf.save(rows, path)
    (row,) = reproduce("some", table)
    assert row["published"] == {"psnr": 20, "rfid": 1.5}
    assert (row["ours"], row["scale"]) == ({}, "published only")


def test_a_run_of_the_experiment_itself_is_full_scale(table):
    finish(table, "trainer=cpu", "eval.samples=10")  # how, not what
    (row,) = reproduce("some", table)
    assert row["scale"].startswith("full scale")
    assert row["ours"]["psnr"] == [21.5]


def test_a_changed_run_says_what_was_changed_and_from_what(table):
    full = compose(["experiment=demo/digits"]).prior.training.samples
    finish(table, "prior.training.samples=512", "seed=1")  # another seed is no change of scale
    (row,) = reproduce("some", table)
    assert row["scale"].startswith("reduced scale: ")
    assert f"prior.training.samples=512 ({full})" in row["scale"]
    assert "seed" not in row["scale"]


def test_a_run_whose_experiment_is_gone_says_so(table):
    finish(table)
    path = module.TABLES / "some.yaml"
    path.write_text(path.read_text().replace("demo/digits", "demo/gone"))
    shutil.move(table / "demo" / "digits", table / "demo" / "gone")
    (row,) = reproduce("some", table)
    assert row["scale"].startswith("of an experiment that is no longer there")


def test_published_and_ours_stand_side_by_side(table, monkeypatch, capsys):
    finish(table)
    monkeypatch.chdir(table.parent)
    main(["some"])
    out = capsys.readouterr().out
    assert "20 / 21.5" in out
    assert "1.5 / -" in out
    assert "full scale" in out
    assert "some protocol" in out


@pytest.mark.parametrize("name", ["digits-data.seed_1-seed_{}", "digits,seed={}"])
def test_a_sweep_over_seeds_is_one_row_with_its_spread(table, monkeypatch, capsys, name):
    finish(table, "prior.training.optimizer.lr=1", folder="digits-prior.training.optimizer.lr_1")
    for seed, psnr in enumerate([20.0, 21.0, 22.0]):
        finish(table, f"seed={seed}", folder=name.format(seed), psnr=psnr)
    (row,) = reproduce("some", table)
    assert row["ours"]["psnr"] == [20.0, 21.0, 22.0]
    assert row["scale"] == "full scale; 0.50 h on an abacus, 3 seeds"
    monkeypatch.chdir(table.parent)
    main(["some"])
    assert "20 / 21±1" in capsys.readouterr().out


def test_what_was_recorded_is_told_where_the_runs_are_gone(table, monkeypatch, capsys):
    finish(table)
    before = reproduce("some", table)
    monkeypatch.chdir(table.parent)
    main(["some", "record"])
    shutil.rmtree(table)
    assert reproduce("some", table) == before
    assert "recorded/some.json" in capsys.readouterr().out


def test_a_run_that_is_there_comes_before_what_was_recorded_of_it(table):
    finish(table, psnr=21.5)
    record("some", table)
    finish(table, psnr=23.0)
    (row,) = reproduce("some", table)
    assert row["ours"]["psnr"] == [23.0]


def test_recording_keeps_rows_whose_runs_are_gone(table):
    finish(table)
    record("some", table)
    shutil.rmtree(table)
    before = reproduce("some", table)
    record("some", table)
    assert reproduce("some", table) == before


@pytest.mark.parametrize("key", ["seed", "data.seed"])
def test_another_seed_is_no_change_of_scale(table, key):
    finish(table, f"{key}=1")
    (row,) = reproduce("some", table)
    assert row["scale"].startswith("full scale")


@pytest.mark.parametrize(
    ("experiment", "key"), [("rfm/flood", "data.split_seed"), ("demo/sphere", "data.data_seed")]
)
def test_other_splits_of_the_same_points_are_no_change_of_scale(table, experiment, key):
    path = module.TABLES / "some.yaml"
    path.write_text(path.read_text().replace("demo/digits", experiment))
    config = compose([f"experiment={experiment}", f"{key}=1"])
    run = Run(table / experiment)
    run.keep_config("prior", config)
    run.metrics.write_text(json.dumps({"psnr": 1.0}))
    (row,) = reproduce("some", table)
    assert row["scale"] == "full scale"


@pytest.fixture
def of(table):
    """`of(columns, metrics, experiment)`: sets the one row's experiment, and the columns."""

    def write(columns, metrics, experiment):
        row = {"name": "ours", "experiment": experiment, "published": {}}
        made = {"title": "", "protocol": "", "columns": columns, "metrics": metrics, "rows": [row]}
        OmegaConf.save(made, module.TABLES / "some.yaml")
        return table

    return write


def evaluated(run, config, protocols, *, name=None, **scores):
    """Write an evaluation of a run: its own, or a further one with its configuration."""
    folder = run.folder if name is None else run.evaluations / name
    if name is not None:
        write_config(folder / "config.yaml", config)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({**scores, "protocol": protocols}))


def trained(runs, experiment, *overrides):
    config = compose([f"experiment={experiment}", *overrides])
    run = Run(runs / experiment)
    run.keep_config("prior", config)
    return run, config


def test_a_column_is_the_score_that_the_table_says_by_the_protocol_that_it_says(of):
    metrics = {"short": {"metric": "fvd_pvdm", "frames": 16}}
    metrics |= {"long": {"metric": "fvd_pvdm", "frames": 128}, "is": "rinception_score", "no": None}
    runs = of(["short", "long", "is", "no"], metrics, "pvdm/ucf101_l")
    run, config = trained(runs, "pvdm/ucf101_l")
    scores = {"fvd_pvdm": 400.0, "rinception_score": 7.0, "no": 1.0}
    evaluated(run, config, {"fvd_pvdm": {"frames": 16}}, **scores)
    assert reproduce("some", runs)[0]["ours"] == {"short": [400.0], "is": [7.0]}
    config = overridden(config, ["data.frames=128", "eval.frames=128"])
    evaluated(run, config, {"fvd_pvdm": {"frames": 128}}, name="long", fvd_pvdm=700.0)
    (row,) = reproduce("some", runs)
    assert row["ours"] == {"short": [400.0], "long": [700.0], "is": [7.0]}
    assert row["scale"] == "full scale"


GUIDED = ["guidance.scale=1.5", "guidance.channels=3"]


def test_a_row_that_is_guided_is_an_evaluation_of_the_run_that_trained_its_prior(of):
    runs = of(["fid"], {}, "dit/xl_2_7m_cfg15")
    run, config = trained(runs, "dit/xl_2_7m", "prior.training.samples=512")
    evaluated(run, config, {}, fid=9.0)
    assert reproduce("some", runs)[0]["scale"] == "not run"
    evaluated(run, overridden(config, ["guidance.scale=4"]), {}, name="strong", fid=5.0)
    assert reproduce("some", runs)[0]["scale"] == "not run"
    evaluated(run, overridden(config, GUIDED), {}, name="sweep/guided", fid=2.0)
    (row,) = reproduce("some", runs)
    assert row["ours"] == {"fid": [2.0]}
    assert row["scale"] == "reduced scale: prior.training.samples=512 (1792000000)"


def test_the_evaluation_most_like_the_experiments_is_taken(of):
    runs = of(["fid"], {}, "dit/xl_2_7m_cfg15")
    run, config = trained(runs, "dit/xl_2_7m")
    guided = overridden(config, GUIDED)
    evaluated(run, overridden(guided, ["eval.samples=100"]), {}, name="a_few", fid=50.0)
    evaluated(run, guided, {}, name="all", fid=2.0)
    other = overridden(guided, ["data.root=elsewhere"])
    evaluated(run, other, {}, name="0_other_images", fid=90.0, sfid=4.0)
    assert reproduce("some", runs)[0]["ours"] == {"fid": [2.0]}


def test_a_row_of_another_sampler_or_span_of_times_is_one_too(of):
    runs = of(["fid"], {}, "sit/b_2_sde_kl")
    run, config = trained(runs, "sit/b_2")
    by_sde = ["sampler=flow_sde", "sampler.steps=250", "sampler.form=sbdm"]
    evaluated(run, overridden(config, by_sde), {}, name="unfit", fid=35.0)
    assert reproduce("some", runs)[0]["scale"] == "not run"
    by_sde.append("prior.process.sample_eps=1e-3")
    evaluated(run, overridden(config, by_sde), {}, name="sde", fid=33.0)
    (row,) = reproduce("some", runs)
    assert (row["ours"], row["scale"]) == ({"fid": [33.0]}, "full scale")


def test_a_run_that_was_sampled_otherwise_says_how(of):
    runs = of(["fid"], {}, "dit/xl_2_7m")
    run, config = trained(runs, "dit/xl_2_7m", "sampler.steps=10")
    evaluated(run, config, {}, fid=30.0)
    (row,) = reproduce("some", runs)
    assert row["scale"] == "reduced scale: sampler.steps=10 (250)"


def test_an_unknown_table_is_refused(capsys):
    with pytest.raises(ConfigError, match=r"no table 'gqs': choose one of .*gsq"):
        reproduce("gqs")
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "usage: python -m eval.reproduce" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["metrics.json", "prior/effort.json"])
def test_a_damaged_file_of_a_run_is_named(table, file):
    finish(table)
    path = table / "demo" / "digits" / file
    path.write_text(path.read_text()[:-3])
    with pytest.raises(ConfigError, match=rf"{file} is damaged .*: copy it again, or delete it"):
        reproduce("some", table)
