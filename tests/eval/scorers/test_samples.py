"""Label accuracy of samples, and the distance of their latents from the manifold."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from eval.evaluate import evaluate
from eval.extractors import Extractor, Features
from eval.record import Record
from eval.scorers.distribution import DistributionScores
from eval.scorers.reconstructions import Reconstructions
from eval.scorers.samples import Samples, off_manifold
from ldm import distributed
from ldm.bottlenecks import Gaussian, GroupedSphericalQuantizer, ManifoldPosterior
from ldm.run.loading import load_run
from ldm.run.sampling import draw
from ldm.spaces import Power, Sphere


@pytest.mark.parametrize("flat", [False, True])
def test_it_is_the_distance_to_the_spheres_also_where_they_are_not_declared(flat):
    quantizer = GroupedSphericalQuantizer([8, 2, 3], groups=2, codes=16, flat=flat)
    on = Power(Sphere(3), 2, [2, 3]).random(5)
    # Twelve groups, each half a unit too long.
    assert_close(off_manifold(quantizer, 1.5 * on), torch.full((5,), 0.5 * 12**0.5))
    assert off_manifold(quantizer, on).max() < 1e-6
    posterior = ManifoldPosterior(Sphere(2), flat=flat)
    assert_close(off_manifold(posterior, torch.tensor([[0.0, 0.0, 3.0]])), torch.tensor([2.0]))


def test_without_a_manifold_nothing_is_off():
    assert GroupedSphericalQuantizer([8, 2, 3], groups=4, codes=16).manifold is None
    assert (off_manifold(Gaussian([2]), torch.ones(3, 2)) == 0).all()


def test_a_run_reports_the_median_over_its_samples(trained, tmp_path):
    parts = load_run(shutil.copytree(trained, tmp_path / "run"), [])
    assert "latents_off" not in evaluate(parts)
    bottleneck = parts.tokenizer.bottleneck
    bottleneck.manifold = Power(Sphere(1), 2, bottleneck.space.shape[1:])
    found = evaluate(parts)["latents_off"]
    latent = draw(parts, range(parts.config.eval.samples), parts.config.eval.seed).latent
    assert found == pytest.approx(off_manifold(bottleneck, latent).median().item(), rel=1e-4)


class Judge(Extractor):
    """Gives the pictures that it sees in turn the logits that it is told to."""

    name, feature_size, protocol = "judge", 4, {}

    def __init__(self, classes: list[int]) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, images):
        if len(images) != len(self.classes):  # the reference: nobody asks for its classes
            return Features(images.float().flatten(1)[:, :4])
        logits = torch.nn.functional.one_hot(torch.tensor(self.classes), 10).float()
        return Features(images.float().flatten(1)[:, 10:14], logits)


def test_the_label_accuracy_is_the_share_of_samples_of_the_class_asked_for(
    trained, tmp_path, monkeypatch
):
    parts = load_run(shutil.copytree(trained, tmp_path / "run"), [])
    # Asked for 0, 1, ..., 9 in turn, and given three classes above and one below.
    judge = Judge([9, 1, 3, 3, 5, 5, 6, 7, 8, 2, *range(10)])
    monkeypatch.setattr(Samples, "build_extractor", lambda *_: judge)
    record = Record()
    Samples(samples=20, batch_size=20).score(parts, record)
    assert record.values["label_accuracy"] == pytest.approx(16 / 20)


def test_the_seed_reaches_samples_and_subsets(trained, tmp_path, monkeypatch):
    parts = load_run(shutil.copytree(trained, tmp_path / "run"), [])
    seeds = []
    monkeypatch.setattr(
        "eval.scorers.samples.DistributionScores",
        lambda extractor, seed=0, **options: (
            seeds.append(seed) or DistributionScores(extractor, seed, **options)
        ),
    )
    found = []
    for seed in (3, 3, 4):
        record = Record()
        Samples(samples=20, seed=seed, infinity=True).score(parts, record)
        found.append(record.values)
    assert seeds == [3, 3, 4]
    assert found[0] == found[1]
    assert found[0]["fd_classifier"] != found[2]["fd_classifier"]
    assert found[0]["fd_infinity_classifier"] < found[0]["fd_classifier"]


def test_a_large_reference_is_remembered_in_part(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("eval.scorers.samples.REMEMBERED", 100)
    parts = load_run(shutil.copytree(trained, tmp_path / "run"), [])
    kept = []
    update = DistributionScores.update

    def spy(self, images, *, real, remembered=None):
        kept.extend([] if remembered is None else remembered.tolist())
        return update(self, images, real=real, remembered=remembered)

    monkeypatch.setattr(DistributionScores, "update", spy)
    record = Record()
    Samples(samples=20).score(parts, record)
    assert kept == [number % 4 == 0 for number in range(360)]
    assert record.protocols["kd_classifier"]["remembered"] == "1 in 4 of the reference"


@pytest.mark.parametrize(
    "scorer", [Samples(samples=14, batch_size=3), Reconstructions(), Reconstructions(images=31)]
)
def test_two_processes_show_the_picture_that_one_shows(trained, tmp_path, two_processes, scorer):
    parts = load_run(trained, [])

    def work(rank: int) -> list[str]:
        distributed.join()
        record = Record(tmp_path / "two")
        scorer.score(parts, record)
        return [path.name for path in record.pictures]

    record = Record(tmp_path / "one")
    scorer.score(parts, record)
    (path,) = record.pictures
    assert two_processes(work) == [[path.name], []]
    one, two = (
        np.asarray(Image.open(tmp_path / folder / path.name)).astype(int)
        for folder in ("one", "two")
    )
    assert one.shape == two.shape
    assert np.abs(one - two).max() <= 1  # a matrix product of other sizes may round otherwise
