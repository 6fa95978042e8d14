"""Scores of points: of laws that are known, so that the numbers are, and through the command."""

import json
import math

import pytest
from known_points import ALL, AREA, KAPPA, Exact, Known

from data import DataError, Digits, Embeddings, VonMisesFisher
from eval.evaluate import evaluate
from eval.evaluation import Evaluation
from ldm.config.compose import ConfigError, compose
from ldm.run.parts import Parts
from ldm.spaces import Hyperboloid, Sphere
from ldm.tokenizers import Identity
from train import train


def test_a_network_of_zeros_has_the_uniform_law(parts, tmp_path, undrawn):
    data = VonMisesFisher(kappa=KAPPA, size=1000)
    found = evaluate(parts(data))
    assert found["nll"] == found["nll_val"] == pytest.approx(math.log(AREA), rel=1e-6)
    assert found["nll_per_dim"] == pytest.approx(math.log(AREA) / 2, rel=1e-6)
    assert found["nll_of_the_law"] == pytest.approx(data.optimum())
    assert found["mass"] == pytest.approx(1, rel=1e-6)
    assert found["mmd2"] > 10 * found["mmd2_null_std"]  # its samples are uniform, the data are not
    assert not [name for name in found if name.startswith(("ess", "auroc"))]
    assert (tmp_path / "run" / "samples.png").is_file()


def test_samples_are_worth_less_the_sharper_the_target(parts, undrawn):
    found = evaluate(parts(Known(kappa=KAPPA, size=100)))
    # Of the weights w = exp(kappa z), z uniform: (mean w)^2 / mean w^2.
    assert found["ess"] == pytest.approx(math.tanh(KAPPA) / KAPPA, abs=0.03)


def test_the_law_of_the_data_scores_what_it_must(parts, tmp_path, undrawn):
    data = Known(kappa=KAPPA, size=4000)
    known = parts(data)
    known.models["prior"] = Exact(data)
    found = evaluate(known)
    assert found["nll"] == pytest.approx(data.optimum())
    assert found["mass"] == pytest.approx(1, rel=1e-3)
    assert found["ess"] == pytest.approx(1)
    assert abs(found["mmd2"]) < 4 * found["mmd2_null_std"]
    # A likelihood orders points by their height z along the mean, and uniform z are uniform.
    mean = 1 / math.tanh(KAPPA) - 1 / KAPPA
    assert found["auroc_uniform"] == pytest.approx((1 + mean) / 2, abs=0.02)
    height = math.log(0.05 * math.exp(KAPPA) + 0.95 * math.exp(-KAPPA)) / KAPPA
    assert found["fpr95_val_uniform"] == pytest.approx((1 - height) / 2, abs=0.03)
    assert found["tpr_val_uniform"] == pytest.approx(0.95, abs=0.02)
    protocol = json.loads((tmp_path / "run" / "metrics.json").read_text())["protocol"]
    assert protocol["auroc_uniform"]["n_outside"] == 4000
    assert protocol["ess"]["sampler"]["_target_"] == "ldm.samplers.GeodesicWalk"


class Shifted(Known):
    """Its val split is the uniform law."""

    def load(self, split):
        return self.ood_dataset("uniform") if split == "val" else super().load(split)


def test_thresholds_of_detection_are_chosen_on_the_val_split(parts, undrawn):
    data = Shifted(kappa=KAPPA, size=4000)
    known = parts(data)
    known.models["prior"] = Exact(data)
    found = evaluate(known)
    # 95 % of uniform heights z are above -0.9, and so are all but e^(0.1 kappa) - 1 parts in
    # e^(2 kappa) - 1 of those of the law.
    below = math.expm1(0.1 * KAPPA) / math.expm1(2 * KAPPA)
    assert found["fpr95_val_uniform"] == pytest.approx(0.95, abs=0.02)
    assert found["tpr_val_uniform"] == pytest.approx(1 - below, abs=0.002)


def test_what_cannot_be_scored_is_refused_before_training(tmp_path, parts):
    prior = parts(VonMisesFisher()).prior

    class Two(VonMisesFisher):
        held = ("train", "test")

    def check(data, tokenizer):
        models = {"tokenizer": tokenizer, "prior": prior}
        Evaluation(ALL).check(Parts(compose(["experiment=demo/sphere"]), data, models))

    check(VonMisesFisher(), Identity(Sphere(2)))
    with pytest.raises(ConfigError, match="digits holds no points of a manifold"):
        check(Digits(), Identity(Sphere(2)))
    with pytest.raises(ConfigError, match="vMF has no val split"):
        check(Two(), Identity(Sphere(2)))
    with pytest.raises(DataError, match=r"\.npy is at none of .*leave the set out of `outside`"):
        check(Embeddings(outside=["dtd"], root=str(tmp_path)), Identity(Sphere(2)))
    with pytest.raises(DataError, match="vMF has no set outside it, asked for 'dtd'"):
        VonMisesFisher().ood_dataset("dtd")


def test_a_space_without_a_volume_has_no_mass(parts):
    made = parts(VonMisesFisher())
    made.models["tokenizer"] = Identity(Hyperboloid(2))
    with pytest.raises(ConfigError, match=r"Hyperboloid.* has no volume .* set eval\.mass=0"):
        Evaluation(["mass"], mass=10).check(made)


def test_a_short_run_is_scored_and_shows_enough_points(tmp_path, monkeypatch):
    shown = []
    draw = VonMisesFisher.show
    monkeypatch.setattr(
        VonMisesFisher, "show", lambda *given, **how: shown.append(given[1]["x"]) or draw(*given)
    )
    short = [
        "data.size=50",
        "prior.backbone.width=16",
        "prior.training.samples=1024",
        "sampler.steps=4",
        "trainer.accelerator=cpu",
        "trainer.pictures=1",
        "trainer.records=2",
        "eval.samples=100",
        "eval.mass=0",
        "eval.likelihood.steps=2",
    ]
    metrics, _ = train(compose(["experiment=demo/sphere", *short, f"run={tmp_path}/run"]))
    assert {"nll", "nll_val", "nll_of_the_law", "mmd2"} <= metrics.keys()
    assert [len(x) for x in shown] == [1000, 100]
    assert (tmp_path / "run" / "density.png").is_file()
