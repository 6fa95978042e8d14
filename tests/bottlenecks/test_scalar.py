"""The finite scalar quantiser."""

import pytest
import torch
from torch.testing import assert_close

from ldm.bottlenecks import ScalarQuantizer
from ldm.spaces import Lattice


def test_latents_are_lattice_points_and_the_gradient_is_that_of_the_tanh():
    quantizer = ScalarQuantizer([6, 10])
    assert quantizer.space == Lattice([6, 10], levels=5, lowest=-2)
    h = (2 * torch.randn(4, 6, 10, generator=torch.Generator().manual_seed(0))).requires_grad_()
    latent = quantizer(h).latent
    quantizer.space.check(latent)
    assert set(latent.unique().tolist()) == {-2, -1, 0, 1, 2}
    assert_close(latent, (2.5 * h.tanh()).round())
    latent.sum().backward()
    assert_close(h.grad, 2.5 * (1 - h.tanh().square()))


def test_a_saturated_tanh_stays_on_the_lattice():
    latent = ScalarQuantizer([1, 2])(torch.tensor([[[1e4, -1e4]]])).latent
    assert latent.flatten().tolist() == [2, -2]


@pytest.mark.parametrize("levels", [3, 5])
def test_codes_number_all_points(levels):
    quantizer = ScalarQuantizer([2, 1], levels)
    codes = torch.arange(quantizer.vocabulary)[:, None, None]
    assert quantizer.vocabulary == levels**2
    points = quantizer.codes_to_latent(codes)
    assert len(points.unique(dim=0)) == levels**2
    quantizer.space.check(points)
    h = (points / (levels / 2)).atanh()
    assert torch.equal(quantizer(h).codes, codes)
    assert torch.equal(quantizer.decodable(points + 0.4), points)


def test_empty_places_hold_zeros_and_are_not_counted():
    mask = torch.tensor([[True, False, False]])
    quantizer = ScalarQuantizer([2, 3]).on({"mask": mask})
    encoded = quantizer(torch.full((1, 2, 3), 9.0))
    assert encoded.latent.tolist() == [[[2, 0, 0], [2, 0, 0]]]
    assert encoded.stats["perplexity"] == 1
    assert_close(encoded.stats["usage"], torch.tensor(1 / 25))


def test_the_usage_of_very_many_codes_is_not_counted():
    quantizer = ScalarQuantizer([16, 2])
    encoded = quantizer(torch.full((1, 16, 2), 9.0))
    assert encoded.stats == {}
    assert torch.equal(quantizer.latent(encoded.raw), encoded.latent)


def test_the_grid_may_follow_and_even_numbers_of_levels_are_refused():
    quantizer = ScalarQuantizer([6])
    quantizer.on_grid([20])
    assert quantizer.space.shape == (6, 20)
    with pytest.raises(ValueError, match="odd number"):
        ScalarQuantizer([6], levels=4)
    with pytest.raises(ValueError, match="28 channels of 5 levels have more codes"):
        ScalarQuantizer([28])
    with pytest.raises(ValueError, match="reads 6 channels"):
        quantizer(torch.zeros(1, 5, 20))
