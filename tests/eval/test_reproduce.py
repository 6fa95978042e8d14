"""Published tables beside runs that are complete, reduced, or not there."""

import json
import shutil

import pytest
from omegaconf import ListConfig, OmegaConf

from eval import reproduce as module
from eval.reproduce import TABLES, main, record, reproduce
from ldm.config.compose import ConfigError, compose
from ldm.config.groups import members
from ldm.run.folder import Run

ALL = sorted(path.stem for path in TABLES.glob("*.yaml"))


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


@pytest.mark.parametrize("name", ALL)
def test_every_table_is_printed_with_its_rows(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    main([name])
    out = capsys.readouterr().out
    source = OmegaConf.load(TABLES / f"{name}.yaml")
    for row in source.rows:
        assert row.name in out
        assert set(row.published) <= set(source.columns)
        for value in row.published.values():
            numbers = value if isinstance(value, ListConfig) else [value]
            assert "±".join(f"{number:.4g}" for number in numbers) + " / " in out
    recorded = TABLES / "recorded" / f"{name}.json"
    kept = json.loads(recorded.read_text()) if recorded.is_file() else {}
    baselines = sum(row.experiment is None for row in source.rows)
    assert out.count("published only") == baselines
    configured = sum(row.experiment in members("experiment") for row in source.rows)
    assert out.count("not configured") == len(source.rows) - configured - baselines
    assert out.count("not run") == configured - len(kept)


@pytest.mark.parametrize("name", ["pvdm", "lvdm", "lfdm"])
def test_columns_of_videos_are_named_as_the_scores_of_their_protocols(name):
    table = OmegaConf.load(TABLES / f"{name}.yaml")
    (protocol,) = compose([f"experiment={table.rows[0].experiment}"]).eval.protocols
    assert f"fvd_{protocol}" in table.columns


@pytest.mark.parametrize("name", ALL)
def test_the_experiment_of_every_row_exists_and_names_are_their_own(name):
    rows = OmegaConf.load(TABLES / f"{name}.yaml").rows
    named = [row.experiment for row in rows if row.experiment is not None]
    assert [one for one in named if one not in members("experiment")] == []
    assert len({row.name for row in rows}) == len(rows)


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
