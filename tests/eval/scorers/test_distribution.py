"""Names of scores, and that each score sees what it is for."""

import pytest
import torch
from torch import nn

from eval.extractors import Extractor, Features
from eval.scorers.distribution import DistributionScores


class Pixels(Extractor):
    """Four pixels as features; logits of as many classes, so sharp that they are certain."""

    def __init__(self, name: str = "pixels", logits: bool = True) -> None:
        super().__init__()
        self.name, self.feature_size, self.protocol = name, 4, {"extractor": name}
        self.logits = logits
        self.weight = nn.Parameter(torch.zeros(()))
        self.freeze()

    def forward(self, images):
        pooled = images.float().flatten(1) / 255
        spatial = 2 * pooled[:, :3] if self.spatial_size else None
        return Features(pooled, 1000 * pooled if self.logits else None, spatial)


def pictures(n=400, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 1, 2, 2), generator=generator, dtype=torch.uint8)


def scores(extractor, real, fake, **options):
    both = DistributionScores(extractor, **options)
    both.kernel.subsets = 5  # a hundred say no more here
    both.update(real, real=True)
    both.update(fake, real=False)
    return {name: value.item() for name, value in both.compute().items()}


def test_on_inception_scores_have_their_published_names():
    found = scores(Pixels("inception"), pictures(), pictures(seed=1))
    assert {"fid", "kid", "kid_std", "inception_score", "inception_score_std"} < set(found)
    assert {"precision", "recall", "density", "coverage"} < set(found)


def test_on_anything_else_they_carry_its_name():
    found = scores(Pixels(), pictures(), pictures(seed=1))
    assert all(name.endswith("_pixels") for name in found)
    assert {"fd_pixels", "kd_pixels", "kd_std_pixels", "is_pixels", "recall_pixels"} < set(found)


def test_spatial_features_have_a_frechet_distance_of_their_own():
    class Spatial(Pixels):
        spatial_size = 3

    real = pictures() // 2
    found = scores(Spatial("inception"), real, real + 51)
    assert found["sfid"] == pytest.approx(3 * (2 * 0.2) ** 2, rel=1e-6)
    assert found["fid"] == pytest.approx(4 * 0.2**2, rel=1e-6)
    assert scores(Spatial(), real, real)["sfd_pixels"] == pytest.approx(0, abs=1e-8)
    assert "sfd_pixels" not in scores(Pixels(), real, real)


def test_a_set_is_at_no_distance_from_itself():
    found = scores(Pixels(), pictures(), pictures())
    assert found["fd_pixels"] == pytest.approx(0, abs=1e-8)
    assert found["precision_pixels"] == found["recall_pixels"] == found["coverage_pixels"] == 1


def test_the_frechet_distance_of_shifted_pictures_is_the_shift_squared():
    real = pictures() // 2
    found = scores(Pixels(), real, real + 51, full=False)
    assert found == {"fd_pixels": pytest.approx(4 * 0.2**2, rel=1e-6)}


def test_the_inception_score_is_that_of_what_was_drawn():
    one = torch.zeros(100, 1, 2, 2, dtype=torch.uint8)
    one[:, 0, 0, 0] = 255
    four = torch.stack([one[:25].roll(k, -1).roll(k // 2, -2) for k in range(4)]).flatten(0, 1)
    assert scores(Pixels(), four, one)["is_pixels"] == pytest.approx(1)
    assert scores(Pixels(), one, four[torch.randperm(100)])["is_pixels"] > 3


def test_updates_add_up_and_hand_on_the_logits():
    whole, parts = (DistributionScores(Pixels(), full=False) for _ in range(2))
    real, fake = pictures(), pictures(seed=1)
    logits = whole.update(fake, real=False)
    assert torch.equal(logits, Pixels()(fake).logits)
    whole.update(real, real=True)
    for part in fake.split(7):
        parts.update(part, real=False)
    for part in real.split(90):
        parts.update(part, real=True)
    torch.testing.assert_close(parts.compute(), whole.compute())


def test_an_extractor_without_logits_has_no_inception_score_asked_of_it():
    both = DistributionScores(Pixels(logits=False), full=False)
    assert both.update(pictures(), real=False) is None


def test_the_seed_chooses_the_subsets_of_the_kernel_distance():
    real, fake = pictures(1200), pictures(1200, seed=1)  # more than one subset holds
    first, again, other = (scores(Pixels(), real, fake, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["kd_pixels"] != other["kd_pixels"]
