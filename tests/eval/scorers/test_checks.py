"""Refusals before training of what scorers cannot score: too few samples, or equal ones."""

import pytest
import torch
from omegaconf import OmegaConf
from torch.utils.data import Subset

from data import Digits, PointDataset, VonMisesFisher
from eval.evaluation import Evaluation
from eval.metrics import PRDC, InceptionScore
from eval.scorers.distribution import DistributionScores
from ldm.config.compose import compose
from ldm.config.signatures import ConfigError
from ldm.run.models import build_models
from ldm.run.parts import Parts


@pytest.fixture
def digits(tmp_path):
    config = compose(["experiment=demo/digits", f"run={tmp_path}"])
    return Parts(config, Digits(), build_models(config, Digits(), ["tokenizer", "prior"]))


class First(Subset):
    """The first samples of a dataset."""

    def digest(self) -> str:
        return ""


def small(parts, **sizes) -> Parts:
    """Parts whose splits have only so many samples."""
    for split, n in sizes.items():
        setattr(parts.data, f"{split}_dataset", First(parts.data.dataset_of(split), range(n)))
    return parts


@pytest.mark.parametrize(
    ("scorer", "sizes", "message"),
    [
        (
            "samples",
            {"test": 5},
            "needs 6 samples or more in the test split of digits, which has 5",
        ),
        ("floor", {"test": 1}, "a Fréchet distance needs 2 samples or more in the test split"),
        ("floor", {"train": 1}, "a Fréchet distance needs 2 samples or more in the train split"),
        ("reconstructions", {"test": 1}, "needs 2 samples or more in the test split of digits"),
    ],
)
def test_splits_too_small_for_a_score_of_images_are_refused(digits, scorer, sizes, message):
    evaluation = Evaluation([scorer], extractor="classifier")
    evaluation.check(digits)
    with pytest.raises(ConfigError, match=message):
        evaluation.check(small(digits, **sizes))


def test_an_extrapolation_of_few_samples_is_refused(digits):
    Evaluation(["samples"], samples=20, infinity=True).check(digits)
    with pytest.raises(ConfigError, match="infinity needs 20 samples or more, got 19"):
        Evaluation(["samples"], samples=19, infinity=True).check(digits)


@pytest.mark.parametrize("samples", range(2, 10))
def test_fewer_samples_than_the_scores_need_are_refused(digits, samples):
    with pytest.raises(ConfigError, match=f"^samples must be 10 or more, .* got {samples}"):
        Evaluation(["samples"], samples=samples).check(digits)
    Evaluation(["samples"], samples=10).check(digits)


def test_a_tokenizer_alone_is_not_refused_for_samples_that_it_does_not_draw(digits):
    del digits.models["prior"]
    Evaluation(["reconstructions", "samples", "floor"], samples=3).check(small(digits, test=2))


def test_the_fewest_pictures_are_what_the_metrics_can_score():
    real, fake = DistributionScores.fewest()
    manifold, inception = PRDC(), InceptionScore()
    manifold.update(torch.randn(real, 3), real=True)
    manifold.update(torch.randn(fake, 3), real=False)
    inception.update(torch.randn(fake, 3))
    manifold.compute(), inception.compute()
    for fewer, more in ((real - 1, fake), (real, real - 1)):
        manifold.reset()
        manifold.update(torch.randn(fewer, 3), real=True)
        manifold.update(torch.randn(more, 3), real=False)
        with pytest.raises(ValueError, match="neighbours need more points"):
            manifold.compute()
    inception.reset()
    inception.update(torch.randn(fake - 1, 3))
    with pytest.raises(ValueError, match="splits need as many pictures"):
        inception.compute()


@pytest.mark.parametrize("seed", [-1, 2**63, 10**23])
def test_seeds_beyond_what_generators_take_are_refused(seed):
    with pytest.raises(ValueError, match=r"seed in \[0, 2\^63\)"):
        Evaluation(["samples"], seed=seed)


def test_splits_too_small_for_a_score_of_points_are_refused(parts):
    for scorer, split in (("likelihood", "test"), ("likelihood", "val"), ("discrepancy", "test")):
        made = small(parts(VonMisesFisher(size=100)), **{split: 1})
        with pytest.raises(ConfigError, match=f"needs 2 samples or more in the {split} split"):
            Evaluation([scorer]).check(made)


def test_equal_points_have_no_discrepancy_to_measure(parts):
    made = parts(VonMisesFisher(size=100))
    made.data.test_dataset = PointDataset(made.data.test_dataset.points[:1].repeat(9, 1))
    with pytest.raises(ConfigError, match="most of its points are equal"):
        Evaluation(["discrepancy"]).check(made)


def test_a_kernel_estimate_off_its_spheres_is_refused(parts):
    made = parts(VonMisesFisher(size=100))
    Evaluation(["references"], kernel_share=0.1).check(made)
    with pytest.raises(ConfigError, match=r"2 groups need .* got 3; .* set eval\.kernel_groups"):
        Evaluation(["references"], kernel_share=0.1, kernel_groups=2).check(made)


def test_points_without_a_prior_are_refused(parts):
    made = parts(VonMisesFisher(size=100))
    made.models = {}
    made.config = OmegaConf.create({"run": "runs/some"})
    with pytest.raises(ConfigError, match=r"has no trained prior to score: finish it .* eval=none"):
        Evaluation(["likelihood"]).check(made)
