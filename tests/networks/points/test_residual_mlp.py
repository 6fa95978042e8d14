"""Published sizes, the equation of a block, and the initial output."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from ldm.networks.points.residual_mlp import ResidualMLP


def linear(a: int, b: int) -> int:
    return (a + 1) * b


def block(a: int, b: int) -> int:
    norms, layers = 2 * a + 2 * b, linear(a, b) + linear(b, b)
    return norms + layers + 1024 * b + (linear(a, b) if a != b else 0)


@pytest.mark.parametrize("dim", [128, 512])
def test_parameter_counts(dim):
    with torch.device("meta"):
        count = sum(p.numel() for p in ResidualMLP([dim]).parameters())
    time = linear(256, 1024) + linear(1024, 1024)
    attention = 2 * 256 + linear(256, 768) + linear(256, 256)
    ends = linear(dim, 256) + 2 * 256 + linear(256, dim)
    assert count == time + 6 * block(256, 256) + attention + 5 * block(512, 256) + ends


def small() -> ResidualMLP:
    torch.manual_seed(0)
    return ResidualMLP([4], width=8, depth=2, condition=6).double()


def norm(x: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()


def test_a_new_network_is_zero_and_independent_of_the_time():
    net = small().eval()
    assert torch.equal(
        net(torch.randn(3, 4).double(), torch.rand(3).double()), torch.zeros(3, 4).double()
    )
    assert not any(one.cond_map.weight.any() for one in (*net.down, net.mid1, net.mid2, *net.up))


def test_attention_is_an_identity_at_first():
    net, h = ResidualMLP([8]), torch.randn(3, 256)
    assert torch.equal(net.midattn(h), h)


def test_initial_weights_are_normal_scaled_by_the_fan_in():
    net = ResidualMLP([128])
    for layer in (net.stem, net.up[0].layer1, net.down[1].layer2, net.cond_map.mlp[0]):
        scaled = layer.weight * math.sqrt(layer.in_features)
        assert scaled.std().item() == pytest.approx(1, abs=0.02)
        assert layer.bias.count_nonzero() == 0


def test_a_block_computes_its_equation():
    one = small().up[0].eval()
    nn.init.normal_(one.cond_map.weight)
    x, condition = torch.randn(3, 16).double(), torch.randn(3, 6).double()
    h = one.layer1(F.silu(norm(x))) + condition @ one.cond_map.weight.mT
    expected = one.layer2(F.silu(norm(h))) + x @ one.skip.weight.mT
    assert_close(one(x, condition), expected)
    assert isinstance(one.dropout, nn.Dropout)
    assert one.dropout.p == 0.1


def test_attention_is_between_units():
    attention = small().midattn
    x = torch.randn(3, 8).double()
    q, k, v = attention.qkv(norm(x)).split(8, 1)
    rows = [(q[:, i, None] * k).softmax(1).mul(v).sum(1) for i in range(8)]
    assert_close(attention(x), x + attention.proj_out(torch.stack(rows, 1)))


def test_the_network_is_a_u_net_with_long_skips():
    net = small().eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    x, t = torch.randn(3, 4).double(), torch.rand(3).double()
    # The published embedding of 1000 times the noise level, with base 10,000.
    angle = 1000 * t[:, None] * 10_000 ** -(torch.arange(128).double() / 128)
    waves = torch.cat([angle.cos(), angle.sin()], 1)
    first, _, second = net.cond_map.mlp
    c = second(F.silu(first(waves)))
    h0 = net.stem(x)
    h1 = net.down[0](h0, c)
    h2 = net.down[1](h1, c)
    h = net.mid2(net.midattn(net.mid1(h2, c)), c)
    for one, skip in zip(net.up, (h2, h1, h0), strict=True):
        h = one(torch.cat([h, skip], 1), c)
    expected = net.out[2](F.silu(net.out[0](h)))
    assert_close(net(x, t), expected, rtol=1e-6, atol=1e-6)


def test_points_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"points of shape \(4,\), found \(5,\)"):
        small()(torch.zeros(2, 5).double(), torch.zeros(2).double())
