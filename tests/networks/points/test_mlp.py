"""Equation, published sizes and published initial weights of the perceptron."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from ldm.networks.points.mlp import MLP
from ldm.networks.points.point_features import SinusoidalTime, SphericalHarmonics

FUNCTIONS = {"sin": torch.sin, "silu": F.silu, "gelu": F.gelu, "relu": torch.relu}

# Points, hidden layers and units of RSGM on the earth, tori and SO(3), and of Jo and Hwang on fires
# and ten-dimensional tori.
PUBLISHED = [([3], 5, 512), ([20], 3, 512), ([3, 3], 5, 512), ([3], 13, 512), ([20], 2, 2048)]


def inputs(n: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return F.normalize(torch.randn(n, 3).double(), dim=1), torch.rand(n).double()


def linears(mlp: MLP) -> list[nn.Linear]:
    return [module for module in mlp.modules() if isinstance(module, nn.Linear)]


@pytest.mark.parametrize(("shape", "depth", "width"), PUBLISHED)
def test_parameter_counts(shape, depth, width):
    with torch.device("meta"):
        mlp = MLP(shape, width, depth)
    values = torch.Size(shape).numel()
    sizes = [values + 1, *[width] * depth, values]
    expected = sum((a + 1) * b for a, b in pairwise(sizes))
    assert sum(p.numel() for p in mlp.parameters()) == expected


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_a_perceptron_computes_its_equation(activation):
    mlp = MLP([3], 16, 3, activation, init="torch").double()
    x, t = inputs()
    first, *rest = linears(mlp)
    h = torch.cat([x, t[:, None]], 1) @ first.weight.mT + first.bias
    for layer in rest:
        h = FUNCTIONS[activation](h) @ layer.weight.mT + layer.bias
    assert_close(mlp(x, t), h)


def test_points_of_any_shape_are_flattened():
    mlp = MLP([2, 3, 3], 8, 1, out=5)
    assert mlp(torch.randn(4, 2, 3, 3), torch.rand(4)).shape == (4, 5)
    with pytest.raises(ValueError, match=r"points of shape \(2, 3, 3\), found \(18,\)"):
        mlp(torch.randn(4, 18), torch.rand(4))


def test_feature_modules_replace_coordinates_and_times():
    features, time = SphericalHarmonics(3), SinusoidalTime(8)
    mlp = MLP([3], 16, 2, features=features, time=time).double()
    x, t = inputs()
    read = torch.cat([features(x), time(t)], 1)
    assert mlp.stem.in_features == read.shape[1] == 16 + 8
    assert_close(mlp(x, t), mlp.head(mlp.blocks(mlp.stem(read))))


def test_a_network_with_zero_weights_is_zero():
    mlp = MLP([3]).double()
    nn.init.zeros_(mlp.head[1].weight)
    assert torch.equal(mlp(*inputs()), torch.zeros(3, 3).double())


def test_initial_weights_are_truncated_normal_scaled_by_the_fan_in():
    torch.manual_seed(0)
    for layer in linears(MLP([3], 256, 3)):
        scaled = layer.weight * layer.in_features**0.5
        assert layer.bias.count_nonzero() == 0
        assert scaled.abs().max() <= 2
        if layer.weight.numel() > 10_000:  # truncation at two leaves 0.8796 of the std
            assert scaled.std().item() == pytest.approx(0.8796, abs=0.01)


def test_initial_weights_of_torch_are_pytorch_defaults():
    torch.manual_seed(0)
    mlp = MLP([3], 8, 1, init="torch")
    torch.manual_seed(0)
    expected = nn.Linear(4, 8), nn.Linear(8, 3)
    for layer, own in zip(expected, linears(mlp), strict=True):
        assert torch.equal(layer.weight, own.weight)
        assert torch.equal(layer.bias, own.bias)


def test_outputs_depend_on_the_label_and_omitting_it_equals_the_null_label():
    torch.manual_seed(0)
    mlp = MLP([3], 16, 2, classes=5).double()
    x, t = inputs()
    assert mlp.label.embedding_table.num_embeddings == 6
    assert torch.equal(mlp(x, t), mlp(x, t, torch.full((3,), 5)))
    outputs = [mlp(x, t, label=torch.full((3,), label)) for label in range(6)]
    assert len({round(out.sum().item(), 9) for out in outputs}) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "sine"}, "sin, silu, gelu, relu; found 'sine'"),
        ({"init": "xavier"}, "'lecun' or 'torch', found 'xavier'"),
        ({"depth": 0}, "depth of 1 or more, got 0"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MLP([3], **arguments)


def test_labels_without_classes_are_refused():
    with pytest.raises(ValueError, match="classes=0, found a label"):
        MLP([3]).double()(*inputs(), label=torch.zeros(3, dtype=torch.long))
