"""LFDM's U-Net."""

import pytest
import torch

from ldm.networks.rotary import rotary_angles, rotated, rotation_by
from ldm.networks.videos.lfdm.attention import TimeAttention, TimeBias
from ldm.networks.videos.lfdm.unet import FlowUNet


def small(**options) -> FlowUNet:
    torch.manual_seed(0)
    sizes = {"width": 8, "multipliers": [1, 2], **options}
    return FlowUNet([3, 4, 8, 8], [6, 8, 8], **sizes).double()


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    x, seen = (torch.randn(2, c, *n, 8, 8, generator=draw) for c, n in ((3, [4]), (6, [])))
    return x.double(), torch.tensor([10, 700]), seen.double()


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"null_text": True}, 42_731_971),
        ({"null_text": True, "upsampling": "nearest"}, 42_129_859),
    ],
)
def test_it_has_the_published_number_of_parameters(options, count):
    with torch.device("meta"):
        net = FlowUNet(text_shape=[16, 768], **options)
    assert sum(one.numel() for one in net.parameters()) == count


def test_only_attention_knows_the_order_of_frames():
    net, (x, t, seen) = small(), inputs()
    order = torch.tensor([2, 0, 3, 1])
    assert (net(x[:, :, order], t, seen) - net(x, t, seen)[:, :, order]).abs().max() > 1e-3
    for one in net.modules():
        if type(one) is TimeAttention:
            torch.nn.init.zeros_(one.to_out.weight)
    assert torch.allclose(net(x[:, :, order], t, seen), net(x, t, seen)[:, :, order])


def test_flow_and_occlusion_depend_on_the_first_frame():
    net, (x, t, seen) = small(), inputs()
    apart = (net(x, t, seen) - net(x, t, seen + 1)).abs().amax((0, 2, 3, 4))
    assert apart.min() > 1e-3


def test_a_text_is_the_mean_of_its_tokens_behind_the_class_token():
    net = small(text_shape=[5, 3])
    text = torch.randn(2, 5, 3, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()
    found = net._meaning(text, mask)
    assert torch.allclose(found, torch.stack([text[0, 1:3].mean(0), text[1, 1:].mean(0)]))
    text[:, 0] += 1
    assert torch.equal(net._meaning(text, mask), found)


@pytest.mark.parametrize("learned", [False, True])
def test_an_empty_text_is_the_null(learned):
    net = small(text_shape=[4, 3], null_text=learned)
    mask = torch.tensor([[True, True, False, False]])
    found = net._meaning(torch.randn(1, 4, 3, dtype=torch.float64), mask)
    assert torch.equal(found, net.null if learned else torch.zeros(1, 3, dtype=torch.float64))


def test_a_text_that_it_was_not_built_for_is_refused():
    x, t, seen = inputs()
    with pytest.raises(ValueError, match="built without text, found one"):
        small()(x, t, seen, torch.zeros(2, 4, 3))
    with pytest.raises(ValueError, match="built for text, found none"):
        small(text_shape=[4, 3])(x, t, seen)


def test_attention_over_time_is_a_softmax_of_products_and_the_bias():
    torch.manual_seed(0)
    net, x = TimeAttention(4, heads=2, head_width=8).double(), torch.randn(1, 4, 3, 1, 1).double()
    bias = torch.randn(2, 3, 3).double()
    tokens = net.norm(x)[0, :, :, 0, 0].mT
    q, k, v = net.to_qkv(tokens).view(3, 3, 2, 8).movedim(2, 0).unbind(2)  # heads first
    turn = rotation_by(rotary_angles([3], 8))
    weights = (rotated(q, turn) @ rotated(k, turn).mT / 8**0.5 + bias).softmax(-1)
    expected = net.to_out((weights @ v).movedim(0, 1).flatten(1))
    assert torch.allclose(net(x, bias)[0, :, :, 0, 0].mT - x[0, :, :, 0, 0].mT, expected)


def test_distances_have_buckets_up_to_the_furthest():
    bias = TimeBias(heads=2, buckets=32, furthest=32)
    offsets = torch.arange(-40, 41)[None]
    buckets = bias.bucket(offsets)[0]
    assert buckets[40 - 7 : 41].tolist() == [7, 6, 5, 4, 3, 2, 1, 0]
    assert buckets[41:48].tolist() == [17, 18, 19, 20, 21, 22, 23]
    assert (buckets[:40].diff() <= 0).all()
    assert buckets[0] == 15
    assert buckets[-1] == 31
    assert bias(5).shape == (2, 5, 5)
