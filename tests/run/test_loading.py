"""Loading a run: what it imports, and which data it refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

import sample
from data.graphs.communities import Communities
from ldm.config.compose import ConfigError, compose, overridden
from ldm.run.folder import Run
from ldm.run.loading import check_meaning, load_model, load_run
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data

ROOT = Path(__file__).resolve().parents[2]


def test_samplers_of_flows_and_manifolds_do_without_diffusers():
    code = "import sys, ldm.priors, ldm.samplers; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "diffusers" not in done.stdout.split()


def test_a_run_is_sampled_without_what_only_training_and_scoring_import(trained):
    code = f"""
import sys
from ldm.run.loading import load_run
from ldm.run.sampling import draw
draw(load_run({str(trained)!r}, []), [0], 0)
print(*sys.modules)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    slow = {"pytorch_lightning", "torchmetrics", "torchvision", "ldm.training", "eval", "sklearn"}
    assert set(done.stdout.split()) & slow == set()


@pytest.mark.parametrize(
    ("experiment", "overrides", "key"),
    [
        ("edm/alpha", ["data.property=gap"], "property"),
        ("edm/alpha", ["data.half=first"], "property"),
        ("edm/alpha", ["data.property=null"], "property"),
        ("edm/qm9", ["data.charged=false"], "x"),
        ("edm/qm9", ["data.hydrogens=false"], "x"),
        ("edm/qm9", ["data=geom_drugs"], "x"),
        ("demo/digits", ["data=cifar10"], "label"),
    ],
)
def test_data_that_change_what_a_run_reads_are_refused(experiment, overrides, key):
    trained = compose([f"experiment={experiment}"])
    config = overridden(trained, overrides)
    with pytest.raises(ConfigError, match=f"^{key} means another thing to this run"):
        check_meaning(config, config.stages, build_data(config), build_data(trained))


@pytest.mark.parametrize(
    ("experiment", "overrides"),
    [
        ("edm/alpha", ["data.root=elsewhere", "data.workers=2", "data.seed=7"]),
        ("edm/qm9", ["data.half=second", "data.rotate=true"]),  # the same molecules, or fewer
        ("demo/digits", ["data=mnist"]),  # the ten digits, too
        ("demo/sphere", ["data=earth"]),
    ],
)
def test_data_that_mean_the_same_are_taken(experiment, overrides):
    trained = compose([f"experiment={experiment}"])
    config = overridden(trained, overrides)
    check_meaning(config, config.stages, build_data(config), build_data(trained))


def test_node_classes_of_graphs_are_part_of_what_a_graph_means():
    assert Communities().meaning("x") != build_data(compose(["experiment=glad/qm9"])).meaning("x")


def test_a_property_of_another_name_is_refused_before_anything_is_loaded(tmp_path, refused):
    run = Run(tmp_path / "run")  # there are no weights
    config = compose(["experiment=edm/alpha", f"run={run.folder}"])
    run.keep_config("prior", config)
    message = refused(sample.main, f"run={run.folder}", "data.property=gap", "condition.property=3")
    assert "trained on alpha, half second" in message
    with pytest.raises(ConfigError, match="means another thing"):
        load_run(run.folder, ["data.property=mu"])


def test_a_tokenizer_that_was_told_another_property_is_refused(tmp_path):
    other = Run(tmp_path / "other")  # there are no weights
    other.keep_config("tokenizer", compose(["experiment=geoldm/alpha", f"run={other.folder}"]))
    given = [f"tokenizer.checkpoint={other.folder}", f"run={tmp_path / 'run'}", "stages=[prior]"]
    for experiment, message in {
        "geoldm/gap": "property means another thing .* trained on alpha",
        "geoldm/alpha": "no checkpoint at",  # nothing else is wrong
    }.items():
        config = compose([f"experiment={experiment}", *given])
        data = build_data(config)
        parts = Parts(config, data, build_models(config, data, ["tokenizer"], "meta"))
        with pytest.raises(ValueError, match=message):
            load_model(parts, Run(tmp_path / "run"), "tokenizer")
