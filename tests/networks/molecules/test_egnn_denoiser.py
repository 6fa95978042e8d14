"""The noise predictor of EDM and GeoLDM: published sizes, symmetries, and what it is told."""

import pytest
import torch
from torch.testing import assert_close

from ldm.conditioning import Array, Conditioning
from ldm.networks.molecules.egnn_denoiser import EGNNDenoiser
from ldm.objectives import Regression
from ldm.priors import Denoiser
from ldm.processes import GaussianDiffusion
from ldm.randomness import sample_generators
from ldm.samplers import DDIM, Guidance
from ldm.spaces import PointSet

MASK = torch.arange(6) < torch.tensor([6, 2, 5, 1])[:, None]
PUBLISHED = {  # places, features, width, depth, properties
    "EDM QM9": ([29, 3 + 6], 256, 9, 0, 5_339_920),
    "EDM Drugs": ([181, 3 + 16], 256, 4, 0, 2_380_565),
    "GeoLDM QM9, one feature": ([29, 3 + 1], 256, 9, 0, 5_337_355),
    "GeoLDM QM9, two features": ([29, 3 + 2], 256, 9, 0, 5_337_868),
    "GeoLDM Drugs": ([181, 3 + 2], 256, 4, 0, 2_373_383),
    "GeoLDM conditional QM9": ([29, 3 + 1], 192, 9, 1, 3_008_076),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_has_as_many_parameters_as_published(name):
    shape, width, depth, properties, count = PUBLISHED[name]
    with torch.device("meta"):
        net = EGNNDenoiser(shape, width, depth, [properties])
    assert sum(p.numel() for p in net.parameters()) == count


def test_a_prior_is_guided_by_a_property_in_the_space_of_each_sample():
    torch.manual_seed(0)
    space = PointSet(6, 3, 2)
    prior = Denoiser(
        EGNNDenoiser([6, 5], width=8, depth=1, property_shape=[1], horizon=10),
        GaussianDiffusion(space, "polynomial_2", 11),
        Regression("v"),
        Conditioning(property=Array([1], rate=0.1)),
    )
    sampler = DDIM(steps=5)
    given = {"mask": MASK, "property": torch.ones(4, 1)}
    drawn = {
        scale: prior.sample(4, given, sampler, sample_generators(0, range(4)), Guidance(scale))
        for scale in (0.0, 1.0, 3.0)
    }
    for x in drawn.values():
        space.on(given).check(x)
    null = {**given, "property": torch.zeros(4, 1)}
    without = prior.sample(4, null, sampler, sample_generators(0, range(4)))
    assert_close(drawn[0.0], without)
    assert (drawn[3.0] - drawn[1.0]).abs().max() > 1e-3
