"""Scores of points: of laws that are known, so that the numbers are, and through the command."""

import json
import math

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from torch import nn

from data import DataError, Digits, Embeddings, PointDataset, VonMisesFisher
from eval.evaluate import evaluate
from eval.evaluation import Evaluation
from eval.record import Record
from eval.scorers.likelihood import HeldOutLikelihood
from ldm import distributed
from ldm.config.compose import ConfigError, compose
from ldm.priors import Prior
from ldm.run.models import build_models
from ldm.run.parts import Parts
from ldm.samplers import Likelihood, Unsolved
from ldm.spaces import Hyperboloid, Sphere
from ldm.tokenizers import Identity
from train import train

KAPPA = 3.0
ALL = compose(["experiment=demo/sphere"]).eval.scorers
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
        models = build_models(config, data, ["prior"])
        prior = models["prior"]
        for parameter in prior.parameters():
            nn.init.zeros_(parameter)
        return Parts(config, data, models)

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


def test_thresholds_of_detection_are_chosen_on_the_val_split(parts):
    data = Shifted(kappa=KAPPA, size=4000)
    known = parts(data)
    known.models["prior"] = Exact(data)
    found = evaluate(known)
    # 95 % of uniform heights z are above -0.9, and so are all but e^(0.1 kappa) - 1 parts in
    # e^(2 kappa) - 1 of those of the law.
    below = math.expm1(0.1 * KAPPA) / math.expm1(2 * KAPPA)
    assert found["fpr95_val_uniform"] == pytest.approx(0.95, abs=0.02)
    assert found["tpr_val_uniform"] == pytest.approx(1 - below, abs=0.002)


def test_the_density_is_drawn_where_it_is(parts, tmp_path):
    data = VonMisesFisher(kappa=20, size=100)
    known = parts(data)
    known.models["prior"] = Exact(data)
    evaluate(known)
    picture = np.asarray(Image.open(tmp_path / "run" / "density.png")).astype(float)
    # The map on the right two thirds, above its scale: dark colours have little blue.
    blue = picture[: len(picture) * 4 // 5, picture.shape[1] // 3 :, 2]
    assert blue[: len(blue) // 3].mean() < blue[-len(blue) // 3 :].mean() - 20


def test_a_drawn_density_costs_no_more_likelihoods_than_is_seen(parts):
    data = VonMisesFisher(kappa=20, size=100)
    known = parts(data)
    known.models["prior"], asked = Exact(data), []
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
    known.models["prior"] = Exact(data)
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

    def check(data, tokenizer):
        Evaluation(ALL).check(Parts(OmegaConf.create(), data, {"tokenizer": tokenizer}))

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
        Evaluation(["mass"], mass=10).check(
            Parts(OmegaConf.create(), VonMisesFisher(), {"tokenizer": Identity(Hyperboloid(2))})
        )


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


@pytest.fixture
def learned(parts):
    """`learned(data)`: parts whose prior is a network that says something, by chance."""

    def build(data) -> Parts:
        made = parts(data)
        generator = torch.Generator().manual_seed(0)
        for parameter in made.prior.parameters():
            nn.init.normal_(parameter, std=0.3, generator=generator)
        made.config.eval.samples = 61
        made.config.eval.mass = 101
        return made

    return build


@pytest.mark.parametrize("exact", [True, False])
def test_two_processes_score_points_as_one_does(learned, two_processes, exact):
    made = learned(Known(kappa=KAPPA, size=101))
    made.config.eval.likelihood.exact = exact
    expected = evaluate(made)
    assert {"nll", "nll_val", "mass", "nll_of_the_law", "auroc_uniform", "mmd2", "ess"} <= set(
        expected
    )
    for found in two_processes(lambda rank: evaluate(made)):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_random_probes_belong_to_points_whatever_the_batch(learned):
    made = learned(VonMisesFisher(kappa=KAPPA, size=100))
    made.config.eval.scorers = ["likelihood"]
    made.config.eval.likelihood.exact = False
    for key in ("mass", "kernel_share", "kernel_groups", "samples"):
        del made.config.eval[key]
    nll = {}
    for batch_size in (100, 7):
        made.config.eval.batch_size = batch_size
        nll[batch_size] = evaluate(made)["nll"]
    assert nll[7] == pytest.approx(nll[100], rel=1e-5)
    made.config.eval.seed = 1
    assert evaluate(made)["nll"] != pytest.approx(nll[100], rel=1e-5)


def test_a_likelihood_that_fails_on_one_process_fails_on_all(parts, two_processes):
    made = parts(VonMisesFisher(kappa=KAPPA, size=100))
    made.models["prior"] = Exact(made.data)
    exact = made.prior.log_prob

    def log_prob(latent, condition, likelihood, generator=None):
        if distributed.rank() == 1:
            raise Unsolved("too steep")
        return exact(latent, condition, likelihood)

    made.prior.log_prob = log_prob

    def work(rank: int) -> str:
        with pytest.raises(Unsolved) as error:
            evaluate(made)
        return str(error.value)

    first, second = two_processes(work)
    assert first == "the likelihood was not found on another process"
    assert second == "too steep"


def test_scorers_share_samples_and_log_densities(parts, monkeypatch):
    made = parts(Known(kappa=KAPPA, size=100))
    made.config.eval.mass = 0
    exact, seen, drawn = Exact(made.data), [], []
    made.models["prior"] = exact
    log_prob, sample = exact.log_prob, exact.sample
    exact.log_prob = lambda x, *given: seen.append(x) or log_prob(x, *given)
    exact.sample = lambda n, *given: drawn.append(n) or sample(n, *given)
    exact.network_calls = 0
    evaluate(made)
    assert drawn == [1000]
    for split in ("test", "val"):
        points = made.data.dataset_of(split).points
        assert sum(len(x) == len(points) and torch.equal(x, points) for x in seen) == 1, split


def test_log_densities_of_other_likelihoods_are_not_shared(learned):
    made = learned(VonMisesFisher(kappa=KAPPA, size=100))
    record = Record()
    fine, coarse = (HeldOutLikelihood(likelihood=Likelihood(steps=n)) for n in (1, 8))
    values = [one.of_split(made, record, "test").values for one in (fine, coarse, fine)]
    assert torch.equal(values[0], values[2])
    assert not torch.equal(values[0], values[1])


def test_the_threshold_of_a_detection_is_set_on_the_val_split(parts):
    class Shifted(Known):
        """The val points are all at the other pole, where the density is least."""

        def load(self, split):
            found = super().load(split)
            return PointDataset(-found.points) if split == "val" else found

    made = parts(Shifted(kappa=20, size=1000))
    made.models["prior"] = Exact(made.data)
    found = evaluate(made)
    assert found["tpr_val_uniform"] == 1
    assert found["fpr95_val_uniform"] > 0.9  # nearly no point is below the threshold
    assert found["fpr95_test_uniform"] < 0.3


def test_coordinates_of_a_sphere_are_scored_by_their_density_on_the_sphere(tmp_path):
    overrides = ["experiment=rsgm/flood_stereographic", f"run={tmp_path}/run", "eval.samples=10"]
    overrides += ["prior.backbone.width=8", "prior.backbone.depth=1", "eval.likelihood.steps=4"]
    config = compose(overrides)
    data = VonMisesFisher(kappa=KAPPA, size=100)
    models = build_models(config, data, ["prior"])
    tokenizer, prior = models["tokenizer"], models["prior"]
    for parameter in prior.parameters():
        nn.init.zeros_(parameter)
    made = Parts(config, data, models)
    scorer = HeldOutLikelihood(likelihood=Likelihood(steps=4))
    found = scorer.of_split(made, Record(), "test").values
    x = data.test_dataset.points
    y = tokenizer.encode({"x": x}).latent
    flat = prior.log_prob(y, {}, scorer.likelihood)
    # A length at x is (1 + y^2 / 4) times as long in the plane.
    torch.testing.assert_close(found, flat + 2 * (1 + y.square().sum(1) / 4).log())
