"""The picture of a density on the sphere, and what it costs."""

import json

import numpy as np
import pytest
from known_points import Exact
from PIL import Image

from data import VonMisesFisher
from eval.evaluate import evaluate
from ldm.samplers import Unsolved


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
