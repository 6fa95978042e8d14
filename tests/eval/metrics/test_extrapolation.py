"""The extrapolated Fréchet distance against exact Gaussian data."""

import pytest
import torch

from eval.metrics.extrapolation import FrechetInfinity, frechet_infinity
from eval.metrics.frechet import Moments, frechet_distance

D = 32


def test_the_bias_of_gaussian_samples_is_taken_out_and_its_slope_is_that_of_theory():
    # N(0, 1.21 I) against N(0, I): (1.1 - 1)^2 tr I = 0.32, and 1.21 d + 1.1 (d^2 + d) / 4 over n.
    exact, found = Moments(torch.zeros(D).double(), torch.eye(D).double(), None), []
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        fake = 1.1 * torch.randn(20_000, D, generator=generator)
        found.append(frechet_infinity(exact, fake))
        whole = frechet_distance(*exact[:2], fake.double().mean(0), torch.cov(fake.T.double()))
        assert whole > 0.325  # biased by 0.016
    mean, slope = (torch.stack([one[key] for one in found]).mean() for key in ("mean", "slope"))
    assert mean.item() == pytest.approx(0.32, abs=0.008)
    assert slope.item() == pytest.approx(1.21 * D + 1.1 * (D**2 + D) / 4, rel=0.2)


def test_the_metric_depends_on_neither_batches_nor_ranks():
    generator = torch.Generator().manual_seed(1)
    real, fake = torch.randn(2, 300, 3, generator=generator)
    metric, other = FrechetInfinity(3, seed=2), FrechetInfinity(3, seed=2)
    for rank, one in enumerate((metric, other)):
        one.update(real[rank::2], real=True)
        for part in fake[rank::2].split(70):
            one.update(part, real=False)
    other.merge_state(metric)
    moments = Moments(real.double().mean(0), torch.cov(real.T.double()), 300)
    ordered = fake[fake[:, 0].argsort()]
    expected = frechet_infinity(moments, ordered, seed=2)
    assert other.compute()["mean"].item() == pytest.approx(expected["mean"].item(), rel=1e-4)
    assert frechet_infinity(moments, ordered, seed=3)["mean"] != expected["mean"]


def test_few_samples_are_refused():
    with pytest.raises(ValueError, match="needs 20 samples or more, got 19"):
        frechet_infinity(Moments(torch.zeros(1), torch.eye(1), None), torch.zeros(19, 1))
