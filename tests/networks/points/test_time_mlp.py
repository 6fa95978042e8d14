"""Published sizes and parameter names, and the equation of a layer."""

import re
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from ldm.networks.points.point_features import FourierFeatures
from ldm.networks.points.time_mlp import TimeMLP

# Coordinates, width and layers for volcanoes, fires, floods, proteins, RNA and 10-dimensional tori.
PUBLISHED = [(3, 2048, 12), (3, 2048, 10), (3, 2048, 7), (2, 512, 4), (7, 512, 6), (10, 5000, 3)]


def example() -> tuple[TimeMLP, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return TimeMLP([3], 16, 4).double(), torch.randn(5, 3).double(), torch.rand(5).double()


@pytest.mark.parametrize(("values", "width", "depth"), PUBLISHED)
def test_parameter_counts(values, width, depth):
    wave = 32 if values == 10 else 0
    with torch.device("meta"):
        features = FourierFeatures(values, wave) if wave else None
        mlp = TimeMLP([values], width, depth, features=features)
    sizes = [2 * wave * values or values, *[width] * (depth - 1), values]
    linears = sum((a + 2) * b for a, b in pairwise(sizes))  # W, b and c
    swishes = (depth - 1) * (
        64 + 64 + 65 * width
    )  # from the time to 64 units to one slope per unit
    assert sum(p.numel() for p in mlp.parameters()) == linears + swishes


def test_narrow_layers_have_fewer_hidden_units_for_the_time():
    assert [p.shape for p in TimeMLP([3], 5, 2).blocks[0].beta.parameters()] == [
        (20, 1),
        (20,),
        (5, 20),
        (5,),
    ]


def test_a_network_computes_its_published_equation():
    mlp, x, t = example()
    torch.nn.init.normal_(mlp.blocks[1].time.weight)
    h, time = x, t[:, None]
    for layer in (*mlp.blocks, mlp.head):
        h = h @ layer.linear.weight.mT + layer.linear.bias + time * layer.time.weight[:, 0]
        if layer is not mlp.head:
            first, _, second, _ = layer.beta
            beta = F.softplus(second(F.softplus(first(time))))
            h = h / (1 + torch.exp(-h * beta))
    assert_close(mlp(x, t), h)


def test_time_shifts_are_zero_at_initialisation():
    mlp, _, _ = example()
    assert not any(layer.time.weight.any() for layer in (*mlp.blocks, mlp.head))


def test_parameters_have_the_published_order_and_map_to_the_published_names():
    def published(name: str) -> str:
        name = name.replace("head.", "blocks.3.")
        k, part, rest = re.fullmatch(r"blocks\.(\d+)\.(\w+)\.(.+)", name).groups()
        if part == "beta":
            return f"layers.{2 * int(k) + 1}.module.beta.{rest}"
        return (
            f"layers.{2 * int(k)}.module.{dict(linear='_layer', time='_hyper_bias')[part]}.{rest}"
        )

    linear = ("_layer.weight", "_layer.bias", "_hyper_bias.weight")
    swish = ("beta.0.weight", "beta.0.bias", "beta.2.weight", "beta.2.bias")
    expected = [
        f"layers.{i}.module.{name}" for i in range(7) for name in (swish if i % 2 else linear)
    ]
    assert [published(name) for name, _ in example()[0].named_parameters()] == expected


def test_points_of_another_shape_and_depths_below_two_are_refused():
    mlp, x, t = example()
    with pytest.raises(ValueError, match=r"points of shape \(3,\), found \(2,\)"):
        mlp(x[:, :2], t)
    with pytest.raises(ValueError, match="depth of 2 or more, got 1"):
        TimeMLP([3], depth=1)
