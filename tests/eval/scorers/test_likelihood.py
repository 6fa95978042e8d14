"""Scores of points: of laws that are known, so that the numbers are, and through the command."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from data import DataError, Digits, Embeddings, PointDataset, VonMisesFisher
from eval.evaluate import evaluate
from eval.scorers.likelihood import PointEvaluation
from ldm.config.compose import ConfigError, compose
from ldm.priors import Prior
from ldm.run.parts import Parts, build_prior, build_sampler, build_tokenizer
from ldm.samplers import Unsolved
from ldm.spaces import Hyperboloid, Sphere
from ldm.tokenizers import Identity
from train import train

KAPPA = 3.0
AREA = 4 * math.pi


class Known(VonMisesFisher):
    """A von Mises-Fisher law that says all it may of itself; outside is the uniform law."""

    outside = ("uniform",)

    def ood_dataset(self, name):
        return PointDataset(Sphere(2).random(4000, torch.Generator().manual_seed(1)))

    def action(self, x):
        return 7 - self.log_density(x)


class Exact(Prior):
    """The law of the data itself."""

    space = Sphere(2)

    def __init__(self, data):
        super().__init__()
        self.data, self.device = data, nn.Parameter(torch.zeros(()))

    def sample(self, n, condition, sampler, generator=None, guidance=None):
        u = torch.cat([torch.rand(1, 3, generator=one, dtype=torch.float64) for one in generator])
        return self.data.transform(u).float()

    def log_prob(self, latent, condition, likelihood, generator=None):
        return self.data.log_density(latent)

    loss = NotImplemented


@pytest.fixture
def parts(tmp_path):
    """`parts(data)`: a prior that knows nothing, on the sphere, scored on few points."""

    def build(data) -> Parts:
        few = ["eval.samples=1000", "eval.mass=500", "eval.likelihood.steps=2"]
        few += [
            "sampler.steps=3",
            "eval.batch_size=8000",
            "prior.backbone.width=8",
            "prior.backbone.depth=1",
        ]
        config = compose(["experiment=demo/sphere", f"run={tmp_path}/run", *few])
        tokenizer = build_tokenizer(config)
        prior = build_prior(config, tokenizer)
        for parameter in prior.parameters():
            nn.init.zeros_(parameter)
        return Parts(config, data, tokenizer, prior, build_sampler(config))

    return build


def test_a_network_of_zeros_has_the_uniform_law(parts, tmp_path):
    data = VonMisesFisher(kappa=KAPPA, size=1000)
    found = evaluate(parts(data))
    assert found["nll"] == found["nll_val"] == pytest.approx(math.log(AREA), rel=1e-6)
    assert found["nll_per_dim"] == pytest.approx(math.log(AREA) / 2, rel=1e-6)
    assert found["nll_of_the_law"] == pytest.approx(data.optimum())
    assert found["mass"] == pytest.approx(1, rel=1e-6)
    assert found["mmd2"] > 10 * found["mmd2_null_std"]  # its samples are uniform, the data are not
    assert not [name for name in found if name.startswith(("ess", "auroc"))]
    assert (tmp_path / "run" / "samples.png").is_file()


def test_samples_are_worth_less_the_sharper_the_target(parts):
    found = evaluate(parts(Known(kappa=KAPPA, size=100)))
    # Of the weights w = exp(kappa z), z uniform: (mean w)^2 / mean w^2.
    assert found["ess"] == pytest.approx(math.tanh(KAPPA) / KAPPA, abs=0.03)


def test_the_law_of_the_data_scores_what_it_must(parts, tmp_path):
    data = Known(kappa=KAPPA, size=4000)
    known = parts(data)
    known.prior = Exact(data)
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


def test_the_density_is_drawn_where_it_is(parts, tmp_path):
    data = VonMisesFisher(kappa=20, size=100)
    known = parts(data)
    known.prior = Exact(data)
    evaluate(known)
    picture = np.asarray(Image.open(tmp_path / "run" / "density.png")).astype(float)
    # The map on the right two thirds, above its scale: dark colours have little blue.
    blue = picture[: len(picture) * 4 // 5, picture.shape[1] // 3 :, 2]
    assert blue[: len(blue) // 3].mean() < blue[-len(blue) // 3 :].mean() - 20


def test_a_drawn_density_costs_no_more_likelihoods_than_is_seen(parts):
    data = VonMisesFisher(kappa=20, size=100)
    known = parts(data)
    known.prior, asked = Exact(data), []
    exact = known.prior.log_prob
    known.prior.log_prob = lambda latent, condition, likelihood, generator=None: (
        asked.append((len(latent), likelihood.tolerance)) or exact(latent, condition, likelihood)
    )
    known.config.eval.likelihood.steps = None
    evaluate(known)
    assert {n for n, tolerance in asked if tolerance == 1e-5} == {100, 500}  # what is scored
    assert 3200 < sum(n for n, tolerance in asked if tolerance == 1e-3) < 40_000  # what is drawn
    assert {tolerance for _, tolerance in asked} == {1e-5, 1e-3}


def test_scores_are_kept_where_the_density_cannot_be_drawn(parts, tmp_path):
    data = VonMisesFisher(kappa=20, size=100)
    known = parts(data)
    known.prior = Exact(data)
    exact = known.prior.log_prob

    def log_prob(latent, condition, likelihood, generator=None):
        if likelihood.tolerance == 1e-3:
            raise Unsolved("too steep")
        return exact(latent, condition, likelihood)

    known.prior.log_prob = log_prob
    with pytest.warns(UserWarning, match="no density is drawn: too steep"):
        scores = evaluate(known)
    kept = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert kept["nll"] == scores["nll"]
    assert not (tmp_path / "run" / "density.png").exists()


def test_what_cannot_be_scored_is_refused_before_training(tmp_path):
    class Two(VonMisesFisher):
        held = ("train", "test")

    check = PointEvaluation().check
    check(VonMisesFisher(), Identity(Sphere(2)))
    with pytest.raises(ConfigError, match="digits holds no points of a manifold"):
        check(Digits(), Identity(Sphere(2)))
    with pytest.raises(ConfigError, match="vMF has no val split"):
        check(Two(), Identity(Sphere(2)))
    with pytest.raises(DataError, match=r"dtd\.npy is at none of .*leave the set out of `outside`"):
        check(Embeddings(outside=["dtd"], root=str(tmp_path)), Identity(Sphere(2)))
    with pytest.raises(DataError, match="vMF has no set outside it, asked for 'dtd'"):
        VonMisesFisher().ood_dataset("dtd")


def test_a_space_without_a_volume_has_no_mass():
    with pytest.raises(ConfigError, match=r"Hyperboloid.* has no volume .* set eval\.mass=0"):
        PointEvaluation(mass=10).check(VonMisesFisher(), Identity(Hyperboloid(2)))


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
