"""Products are their parts, and their layout is the tokenizers' own."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import Flat, Power, Product, Sphere, Torus


def test_a_power_of_spheres_has_the_layout_of_grouped_spherical_latents():
    x = Power(Sphere(2), groups=8, grid=[4, 5]).random(2)
    assert x.shape == (2, 24, 4, 5)
    # Channel g * 3 + k is coordinate k of group g.
    assert_close(x.unflatten(1, (8, 3)).norm(dim=2), torch.ones(2, 8, 4, 5))


def test_every_law_of_a_power_is_the_base_s_in_each_cell():
    base, power = Sphere(2), Power(Sphere(2), groups=2, grid=[3, 2])
    x, y = (power.random(4, dtype=torch.float64) for _ in range(2))
    for law in ("tangent", "exp", "log"):
        whole = getattr(power, law)(x, y)
        for group, i, j in [(0, 0, 0), (1, 2, 0), (1, 1, 1)]:
            cell = (slice(None), slice(3 * group, 3 * group + 3), i, j)
            assert_close(whole[cell], getattr(base, law)(x[cell], y[cell]))


def test_every_law_of_a_product_is_its_parts():
    sphere, flat = Sphere(2), Flat([3])
    product = Product([sphere, flat])
    x, y = (product.random(4, dtype=torch.float64) for _ in range(2))
    parts = [sphere, x[:, :3], y[:, :3]], [flat, x[:, 3:], y[:, 3:]]
    for law in ("tangent", "exp", "log"):
        expected = torch.cat([getattr(s, law)(a, b) for s, a, b in parts], 1)
        assert_close(getattr(product, law)(x, y), expected)
    squares = sum(s.distance(a, b).square() for s, a, b in parts)
    assert_close(product.distance(x, y), squares.sqrt())
    assert_close(product.log_density(x), sum(s.log_density(a) for s, a, _ in parts))


def test_the_volume_of_the_torus_is_that_of_its_circles():
    torus = Power(Sphere(1), groups=7)
    log_density = torus.log_density(torus.random(2, dtype=torch.float64))
    assert_close(log_density, torch.full_like(log_density, -7 * math.log(2 * math.pi)))


def test_a_power_of_a_flat_space_is_flat():
    power, flat = Power(Flat([2]), groups=3, grid=[4]), Flat([6, 4])
    x, y = flat.random(3, dtype=torch.float64), flat.random(3, dtype=torch.float64)
    assert_close(power.log_density(x), flat.log_density(x))
    assert_close(power.distance(x, y), flat.distance(x, y))
    assert_close(power.exp(x, y), flat.exp(x, y))


def test_only_flat_coordinates_are_normalised():
    mean, std = torch.arange(5.0), torch.arange(5.0) + 2
    product = Product([Sphere(1), Flat([1, 2]), Flat([1])])
    got = product.moments(mean, std)
    assert_close(got[0], torch.tensor([0.0, 0.0, 2.0, 3.0, 4.0]))
    assert_close(got[1], torch.tensor([1.0, 1.0, 4.0, 5.0, 6.0]))
    mean, std = torch.cat([mean, mean + 5]), torch.cat([std, std + 5])
    again = Power(product, groups=2, grid=[3]).moments(mean, std)
    assert_close(again[0], torch.cat([got[0], torch.tensor([0.0, 0.0, 7.0, 8.0, 9.0])]))
    assert_close(again[1], torch.cat([got[1], torch.tensor([1.0, 1.0, 9.0, 10.0, 11.0])]))


def test_cells_of_one_sample_are_drawn_apart():
    x = Power(Sphere(2), groups=2, grid=[3]).random(2, sample_generators(0, range(2)))
    cells = x.unflatten(1, (2, 3)).movedim(2, -1).reshape(-1, 3)
    assert len(torch.unique(cells, dim=0)) == len(cells)


def test_points_of_another_shape_are_refused_though_their_number_of_elements_fits():
    power = Power(Sphere(2), groups=2, grid=[4, 3])
    with pytest.raises(ValueError, match=r"shape \(n, 6, 4, 3\), got \(1, 6, 3, 4\)"):
        power.project(torch.zeros(1, 6, 3, 4))
    with pytest.raises(ValueError, match=r"shape \(n, 6\), got \(1, 7\)"):
        Product([Sphere(2), Flat([3])]).project(torch.zeros(1, 7))


def test_empty_products_are_refused():
    with pytest.raises(ValueError, match="one space or more"):
        Product([])
    with pytest.raises(ValueError, match="got 0 and"):
        Power(Sphere(1), groups=0)
    with pytest.raises(ValueError, match=r"got 1 and \(4, 0\)"):
        Power(Sphere(1), grid=[4, 0])


def test_products_embed_and_check_part_by_part():
    space = Product([Sphere(2), Torus(1)])
    x = torch.tensor([[0.0, 0.0, 1.0, -0.01]], dtype=torch.float64)
    y = torch.tensor([[0.0, 0.0, 1.0, 2 * math.pi - 0.02]], dtype=torch.float64)
    space.check(torch.cat([x, y]))  # any angle within a turn will do
    assert_close(space.distance(x, y), torch.tensor([0.01]).double())
    straight = (space.embed(x) - space.embed(y)).norm()
    assert_close(straight, torch.tensor(2 * math.sin(0.005)).double())
    with pytest.raises(ValueError, match="off Sphere"):
        space.check(2 * x)
    power = Power(Sphere(1), groups=3)
    z = power.random(4)
    assert_close(power.embed(z), z)
