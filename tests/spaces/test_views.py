"""Spaces bound to a context: most are their own view, products hand it on to their parts."""

import math

import pytest
import torch
from modalities.centred_sets import CentredSets
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import Flat, Power, Product, Rotations, Sphere, Torus
from ldm.spaces.divergence import divergence, hutchinson_divergence

MASK = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]]).bool()
CONTEXT = {"mask": MASK, "label": torch.tensor([3, 4]), "text": torch.zeros(2, 7, 5)}


@pytest.mark.parametrize(
    "space",
    [
        Flat([2, 3]),
        Sphere(2),
        Torus(2),
        Rotations(),
        Product([Sphere(2), Flat([2])]),
        Power(Product([Sphere(2), Flat([1])]), groups=2, grid=[3]),
    ],
    ids=repr,
)
def test_a_space_whose_points_are_all_alike_is_its_own_view(space):
    assert space.on(CONTEXT) is space
    assert space.on({}) is space
    assert space.entries == math.prod(space.shape)


def test_a_product_hands_its_context_to_the_part_that_a_mask_changes():
    whole = Product([CentredSets(4), Sphere(2)])
    view = whole.on(CONTEXT)
    assert whole.on({"label": CONTEXT["label"]}) is whole
    assert view.entries.tolist() == [2 * 3 + 3, 2 * 2 + 3]
    x = view.random(2, sample_generators(0, range(2)))
    sets = x[:, :8].view(2, 4, 2)
    assert not sets[~MASK].any()
    assert_close(sets.sum(1), torch.zeros(2, 2), rtol=0, atol=1e-5)
    assert_close(x[:, 8:].norm(dim=1), torch.ones(2))
    assert whole.parts[0].mask is None


@pytest.mark.parametrize("single", [True, False])
def test_each_copy_in_a_power_has_the_mask_of_its_sample(single):
    whole = Power(CentredSets(4), groups=2, grid=[3])
    view = whole.on(CONTEXT)
    generators = torch.Generator().manual_seed(0) if single else sample_generators(0, range(2))
    x = view.random(2, generators).view(2, 2, 4, 2, 3)
    sets = x.permute(0, 1, 4, 2, 3)  # sample, group, cell, place, feature
    for row in range(2):
        assert not sets[row][..., ~MASK[row], :].any()
        assert sets[row][..., MASK[row], :].abs().min() > 0
    assert_close(view.project(x.view(2, 8, 2, 3)), x.view(2, 8, 2, 3))
    assert view.entries.tolist() == [6 * 6, 6 * 4]
    if not single:
        alone = whole.on({"mask": MASK[1:]}).random(1, sample_generators(0, [1]))
        assert_close(alone, x[1:].view(1, 8, 2, 3))


def test_divergences_pass_over_directions_that_a_sample_lacks():
    view = CentredSets(4).on(CONTEXT)
    x = view.random(2, torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = torch.arange(1.0, 5.0, dtype=torch.float64)[:, None]

    def field(x):
        return view.tangent(x, weight * x)

    def trace(mask):  # of the weights on the subspace, twice for two numbers a place
        own = weight[mask, 0]
        return 2 * (own.sum() - own.mean())

    expected = torch.stack([trace(mask) for mask in MASK])
    assert_close(divergence(view, field, x)[1], expected)
    n = 4000
    many = CentredSets(4).on({"mask": MASK.repeat_interleave(n, 0)})
    x = x.repeat_interleave(n, 0)
    signs = torch.randn(2 * n, many.dim, generator=torch.Generator().manual_seed(1)).sign().double()

    def repeated(x):
        return many.tangent(x, weight * x)

    found = hutchinson_divergence(many, repeated, x, many.frame(x, signs))[1].view(2, n)
    error = found.std(1) / n**0.5
    assert ((found.mean(1) - expected).abs() < 4 * error + 1e-9).all()


def test_affine_maps_are_along_the_feature_axis():
    x = torch.ones(2, 3, 4)
    scale, shift = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.0, -0.5])
    found = Flat([3, 4]).affine(x, scale, shift)
    assert_close(found, (scale + shift).view(1, 3, 1).expand(2, 3, 4))
    assert Flat([3, 4]).features(x).shape == (3, 8)
