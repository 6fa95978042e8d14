"""Likelihoods of held-out points: shared by scorers, the same on any number of processes."""

import pytest
import torch
from known_points import KAPPA, Exact, Known
from torch import nn

from data import VonMisesFisher
from eval.evaluate import evaluate
from eval.record import Record
from eval.scorers.likelihood import HeldOutLikelihood
from ldm import distributed
from ldm.config.compose import compose
from ldm.run.models import build_models
from ldm.run.parts import Parts
from ldm.samplers import Likelihood, Unsolved


def test_two_processes_score_points_as_one_does(learned, two_processes):
    made = learned(Known(kappa=KAPPA, size=101))
    made.config.eval.likelihood.exact = False  # so that probes are drawn, too
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
