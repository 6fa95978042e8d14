"""How far generated latents are from the manifold that their tokenizer makes them on."""

import shutil

import pytest
import torch
from torch.testing import assert_close

from eval.evaluate import evaluate
from eval.scorers.samples import off_manifold
from ldm.bottlenecks import Gaussian, GroupedSphericalQuantizer, ManifoldPosterior
from ldm.run.experiment import load_run
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
