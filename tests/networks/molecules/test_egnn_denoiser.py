"""The noise predictor of EDM and GeoLDM: published sizes, symmetries, and what it is told."""

from functools import partial

import pytest
import torch
from diffusers import DDIMScheduler
from torch.testing import assert_close

from ldm.conditioning import Array, Conditioning
from ldm.networks.molecules.egnn_denoiser import EGNNDenoiser
from ldm.objectives import Regression
from ldm.priors import Denoiser
from ldm.processes import GaussianDiffusion
from ldm.randomness import sample_generators
from ldm.samplers import DiffusersScheduler, Guidance
from ldm.spaces import PointSet

SIZES = torch.tensor([6, 2, 5, 1])
MASK = torch.arange(6) < SIZES[:, None]
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


def network() -> EGNNDenoiser:
    torch.manual_seed(0)
    net = EGNNDenoiser([6, 5], width=16, depth=2, property_shape=[1], horizon=10)
    for block in net.egnn.blocks:
        torch.nn.init.xavier_uniform_(block.coord_mlp[-1].weight, gain=0.1)
    return net.double()


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    space = PointSet(6, 3, 2).on({"mask": MASK})
    return {
        "noisy": space.random(4, generator, dtype=torch.float64),
        "t": torch.tensor([0, 3, 5, 10]),
        "mask": MASK,
        "property": torch.randn(4, 1, generator=generator, dtype=torch.float64),
    }


def test_what_it_predicts_turns_with_the_positions_and_is_in_the_space():
    net, given = network(), inputs()
    found = net(**given)
    assert found.flatten(1).norm(dim=1).min() > 1e-3
    PointSet(6, 3, 2).on({"mask": MASK}).check(found)
    q = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())[0]
    turn = torch.block_diag(q, torch.eye(2).double())
    turned = net(**{**given, "noisy": given["noisy"] @ turn})
    assert_close(turned, found @ turn, atol=1e-12, rtol=0)
    moved = given["noisy"] + MASK[..., None] * torch.tensor([3.0, -1, 2, 0, 0])
    assert_close(net(**{**given, "noisy": moved}), found, atol=1e-12, rtol=0)


def test_it_reads_the_time_and_the_property_of_each_sample():
    net, given = network(), inputs()
    found = net(**given)
    for key in ("t", "property"):
        other = net(**{**given, key: given[key] + 1})
        assert ((other - found).flatten(1).norm(dim=1) > 1e-6).all()


def test_a_set_without_a_mask_has_no_empty_places():
    net, given = network(), {key: value[:1] for key, value in inputs().items()}
    assert_close(net(**{**given, "mask": None}), net(**given))


@pytest.mark.parametrize("told", [None, torch.zeros(4, 2)])
def test_another_number_of_properties_is_refused(told):
    with pytest.raises(ValueError, match="built for 1 properties"):
        network()(**{**inputs(), "property": told})


def test_a_prior_is_guided_by_a_property_in_the_space_of_each_sample():
    torch.manual_seed(0)
    space = PointSet(6, 3, 2)
    prior = Denoiser(
        EGNNDenoiser([6, 5], width=8, depth=1, property_shape=[1], horizon=10),
        GaussianDiffusion(space, "polynomial_2", 11),
        Regression("v"),
        Conditioning(property=Array([1], rate=0.1)),
    )
    sampler = DiffusersScheduler(partial(DDIMScheduler, timestep_spacing="trailing"), steps=5)
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
