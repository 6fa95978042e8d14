"""Lists of scorers: how they are named, what they share, and what is refused."""

import json
import shutil

import pytest
from omegaconf import OmegaConf

from data import Digits
from eval.__main__ import main
from eval.evaluate import evaluate
from eval.evaluation import Evaluation
from eval.record import Record
from eval.scorers import SCORERS, Scorer
from eval.scorers.samples import Samples
from ldm.config.compose import ConfigError, compose
from ldm.run.loading import load_run
from ldm.run.parts import Parts, build_part
from ldm.samplers import Likelihood
from ldm.spaces import Flat
from ldm.tokenizers import Identity


class Own(Scorer):
    """A scorer of one's own, not in the register."""

    def __init__(self, own: int, seed: int = 0) -> None:
        self.own, self.seed = own, seed

    def check(self, parts):
        parts.config.calls.append(f"check {self.own}")

    def score(self, parts, record):
        parts.config.calls.append(f"score {self.own}")


OWN = f"{__name__}.Own"


@pytest.fixture
def allowed(monkeypatch):
    """The package of these tests is one that the user trusts, as by allow=[tests]."""
    monkeypatch.setenv("LDM_ALLOW", __name__.partition(".")[0])


@pytest.mark.usefixtures("allowed")
def test_the_scorers_of_a_list_check_and_score_in_its_order():
    evaluation = Evaluation([{"_target_": OWN, "own": 2}, {"_target_": OWN, "own": 1}])
    config = OmegaConf.create({"calls": []})
    parts = Parts(config, Digits(), {"tokenizer": Identity(Flat([1, 8, 8]))})
    evaluation.check(parts)
    evaluation.score(parts, Record())
    assert config.calls == ["check 2", "check 1", "score 2", "score 1"]


@pytest.mark.usefixtures("allowed")
def test_a_number_reaches_all_scorers_that_take_it_and_a_nodes_own_wins():
    node = {"_target_": "eval.scorers.samples.Samples", "samples": 7}
    own = {"_target_": OWN, "own": 3}
    given = {"samples": 50, "seed": 4, "lpips": True}
    first, second, third, fourth = Evaluation(
        ["samples", "reconstructions", node, own], **given
    ).scorers
    assert [first.samples, third.samples] == [50, 7]
    assert [first.seed, second.seed, third.seed, fourth.seed] == [4, 4, 4, 4]
    assert second.lpips
    assert fourth.own == 3


@pytest.mark.parametrize("name", SCORERS)
def test_every_name_of_the_register_is_a_scorer_that_needs_no_arguments(name):
    (scorer,) = Evaluation([name]).scorers
    assert type(scorer) is SCORERS[name]


def test_a_shared_node_is_built_once_from_a_configuration():
    config = compose(["experiment=demo/sphere", "eval.likelihood.steps=3"])
    built = [vars(one).get("likelihood") for one in build_part(config, "eval").scorers]
    found = [one for one in built if one is not None]
    assert len(found) == 5
    assert isinstance(found[0], Likelihood)
    assert found[0].steps == 3
    assert all(one is found[0] for one in found)


def test_scorers_are_listed_on_the_command_line_by_name_or_class():
    scorers = "[reconstructions,{_target_: eval.scorers.samples.Samples, samples: 7}]"
    config = compose(["experiment=demo/digits", f"eval.scorers={scorers}"])
    _, samples = build_part(config, "eval").scorers
    assert type(samples) is Samples
    assert (samples.samples, samples.batch_size) == (7, 250)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["eval.scorers=[sample]"],
            r"eval\.scorers\.0: no scorer 'sample': did you mean 'samples'",
        ),
        (["eval.scorers=[samples,{n: 3}]"], r"eval\.scorers\.1 must be the name of a scorer, or"),
        (["eval.scorers=samples"], r"eval\.scorers must be a list"),
        (["eval.scorers=[{_target_: os.system}]"], r"eval\.scorers\.0\._target_=os\.system is ref"),
        (["+eval.extracter=inception"], r"unknown key 'eval\.extracter': did you mean 'extractor'"),
        (["+eval.mass=3"], r"eval\.mass is of no use to the .* floor: it is for mass; list one"),
        (
            ["eval.scorers=[reconstructions]"],
            r"eval\.samples is of no use .*: it is for samples, di",
        ),
        (["eval.samples=abc"], r"eval\.samples must be a whole number, got 'abc'"),
        (["eval.extractor=vgg"], r"eval\.extractor must be one of inception, classifier"),
        (["eval.extractor=null"], r"eval\.extractor must be one of inception, classifier"),
    ],
)
def test_wrong_lists_and_numbers_are_refused_when_composed(overrides, message):
    with pytest.raises(ConfigError, match=message):
        compose(["experiment=demo/digits", *overrides])


def test_a_list_without_scorers_scores_nothing_and_says_so(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "metrics.json").unlink()
    assert evaluate(load_run(run, ["eval=none"])) == {}
    assert not (run / "metrics.json").exists()


def test_nothing_may_be_scored_of_any_experiment_but_keys_stay_checked():
    assert build_part(compose(["experiment=demo/sphere", "eval=none"]), "eval").scorers == []
    with pytest.raises(ConfigError, match=r"unknown key 'eval\.mas': did you mean 'mass'"):
        compose(["experiment=demo/sphere", "eval=none", "+eval.mas=3"])


def test_reconstructions_are_scored_without_an_extractor_or_labels(trained, tmp_path, monkeypatch):
    run = shutil.copytree(trained, tmp_path / "run")
    whole = json.loads((run / "metrics.json").read_text())
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "empty"))
    parts = load_run(run, ["eval=reconstructions"])
    parts.data.class_names = ()
    found = evaluate(parts)
    assert {"psnr", "codebook_usage", "codebook_perplexity"} <= found.keys()
    assert not [name for name in found if "classifier" in name]
    assert found["psnr"] == pytest.approx(whole["psnr"], rel=1e-5)
    assert not (tmp_path / "empty").exists()


def test_a_run_is_scored_again_by_the_scorers_that_are_listed(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    main([f"run={run}", "eval.scorers=[reconstructions, samples]", "eval.seed=1", "name=1"])
    scores = run / "evaluations" / "1" / "metrics.json"
    protocol = json.loads(scores.read_text())["protocol"]
    assert protocol["fd_classifier"]["seed"] == 1
    assert "psnr" in protocol
    assert "fd_classifier_floor" not in protocol
