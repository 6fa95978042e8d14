"""Published size, initial output, padding and normalisation."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from ldm.networks.points.su3_net import SU3Net


def small(new: bool = False) -> SU3Net:
    torch.manual_seed(0)
    net = SU3Net(n=2, width=32, depth=2, condition=8).double().eval()
    for parameter in () if new else net.parameters():
        nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return net


def inputs(*grid: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(3, 2, 2, 2, *grid).double(), torch.rand(3).double()


def test_parameter_count_at_the_published_size():
    def conv(a: int, b: int, area: int = 9) -> int:
        return (area * a + 1) * b

    def block(a: int, b: int) -> int:
        layers = conv(a, b) + conv(b, b) + (conv(a, b, 1) if a != b else 0)
        return 2 * a + 2 * b + layers + 1024 * b

    with torch.device("meta"):
        count = sum(p.numel() for p in SU3Net().parameters())
    time = 257 * 1024 + 1025 * 1024
    attention = 2 * 256 + conv(256, 768, 1) + conv(256, 256, 1)
    ends = conv(18, 256) + 2 * 256 + conv(256, 18)
    assert count == time + 5 * block(256, 256) + attention + 4 * block(512, 256) + ends


def test_a_new_network_is_zero_and_its_blocks_are_their_skip_connections():
    net = small(new=True)
    x, t = inputs(4, 4)
    assert torch.equal(net(x, t), torch.zeros_like(x))
    h, condition = torch.randn(3, 64, 4, 4).double(), torch.randn(3, 8).double()
    assert torch.equal(net.mid1(h[:, :32], condition), h[:, :32])
    assert torch.equal(net.up[0](h, condition), net.up[0].skip(h))


def test_groups_have_four_channels_and_number_at_most_32():
    with torch.device("meta"):
        wide, narrow = SU3Net(), SU3Net(width=64)
    assert (wide.down[0].norm1.num_groups, wide.up[0].norm1.num_groups) == (32, 32)
    assert (narrow.down[0].norm1.num_groups, narrow.up[0].norm1.num_groups) == (16, 32)


def test_lattices_are_padded_with_zeros_and_norms_have_an_epsilon_of_1e_6():
    net = small()
    convolutions = [
        m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
    ]
    assert {m.padding_mode for m in convolutions} == {"zeros"}
    assert {m.eps for m in net.modules() if isinstance(m, nn.GroupNorm)} == {1e-6}
    h = torch.randn(1, 32, 3, 3).double()
    expected = F.conv2d(F.pad(h, (1, 1, 1, 1)), net.mid1.layer1.weight, net.mid1.layer1.bias)
    assert_close(net.mid1.layer1(h), expected)


def test_attention_is_an_identity_at_first():
    net = small(new=True)
    h = torch.randn(3, 32, 4, 4).double()
    assert torch.equal(net.midattn(h), h)


def test_attention_is_between_sites():
    attention = small().midattn
    x = torch.randn(3, 32, 2, 3).double()
    q, k, v = attention.qkv(attention.norm(x)).flatten(2).split(32, 1)
    h = F.scaled_dot_product_attention(q.mT, k.mT, v.mT).mT.unflatten(2, (2, 3))
    assert_close(attention(x), x + attention.proj_out(h))


def test_matrices_of_another_size_are_refused():
    x, t = inputs(2, 2)
    with pytest.raises(
        ValueError, match=r"shape \(2, 3, 3, height, width\), found \(2, 2, 2, 2, 2"
    ):
        SU3Net(width=32, depth=1)(x, t)
