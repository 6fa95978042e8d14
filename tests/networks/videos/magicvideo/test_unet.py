"""MagicVideo's U-Net beside the U-Net of images that it is lifted from, and who depends on whom."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ldm.hub.start import start_from
from ldm.hub.weights import save
from ldm.networks.images.unet import UNet
from ldm.networks.videos.magicvideo.layers import AdaptedConv, DirectedAttention, WidenedConv
from ldm.networks.videos.magicvideo.unet import LiftedUNet

SMALL = {"width": 32, "multipliers": [1, 2], "blocks": 1, "attention": [2], "heads": 4}
TOLD = {"text_shape": [5, 8]}
FRAMES = 3


def randomised(net: nn.Module) -> nn.Module:
    """With other weights than a new network's, which gives zero."""
    torch.manual_seed(0)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.1)
    return net


def parent(**options) -> UNet:
    return randomised(UNet([4, 4, 4], **SMALL, **TOLD | options).double())


def lifted(**options) -> LiftedUNet:
    """A network of clips that starts from `parent`."""
    net = LiftedUNet([4, FRAMES, 4, 4], **SMALL, **TOLD | options).double()
    assert not net.load_state_dict(parent().state_dict(), strict=False).unexpected_keys
    return net


def train(net: LiftedUNet, *ends: str) -> LiftedUNet:
    """Change the parameters whose names end so, as training would."""
    torch.manual_seed(1)
    for name, parameter in net.named_parameters():
        if name.endswith(ends):
            nn.init.normal_(parameter, std=0.3)
    return net


def inputs(n: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    shapes = (n, 4, FRAMES, 4, 4), (n,), (n, 5, 8)
    x, t, text = (torch.randn(s, dtype=torch.float64, generator=generator) for s in shapes)
    return x, t.abs() * 100, text


@pytest.mark.parametrize("mask", ["causal", "printed"])
def test_a_clip_is_at_first_denoised_frame_by_frame(mask):
    (x, t, text), image = inputs(), parent()
    net = lifted(mask=mask, fps_shape=[], given=True)
    given = torch.tensor([[True, False, True]]).expand(2, -1)
    told = {"fps": torch.tensor([3.0, 8.0]).double(), "frames": x, "frames_given": given}
    found = net(x, t, text=text, **told)
    assert_close(found, torch.stack([image(one, t, text=text) for one in x.unbind(2)], 2))
    assert found.abs().max() > 0.1


def test_classes_and_attention_among_pixels_alone_are_lifted_too():
    image = randomised(UNet([4, 4, 4], **SMALL, classes=5).double())
    net = LiftedUNet([4, FRAMES, 4, 4], **SMALL, classes=5).double()
    net.load_state_dict(image.state_dict(), strict=False)
    (x, t, _), label = inputs(), torch.tensor([1, 4])
    assert_close(net(x, t, label)[:, :, 1], image(x[:, :, 1], t, label))


def test_a_training_starts_from_weights_of_images(tmp_path):
    image = nn.ModuleDict({"backbone": parent()})
    save(tmp_path / "model.safetensors", image, {"space": "Flat(4, 8, 8)"})
    net = nn.ModuleDict({"backbone": LiftedUNet([4, FRAMES, 4, 4], **SMALL, **TOLD).double()})
    said = start_from(tmp_path / "model.safetensors", net, "prior")
    assert "new in the model: backbone.conv_in.scale" in said
    assert "of another shape" not in said
    x, t, text = inputs()
    first = image["backbone"](x[:, :, 0], t, text=text)
    assert_close(net["backbone"](x, t, text=text)[:, :, 0], first)


def test_no_frame_depends_on_later_ones():
    net = train(lifted(), ".scale", ".shift", "time.proj.weight")
    x, t, text = inputs()
    for frame in range(FRAMES):
        leaf = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(net(leaf, t, text=text)[:, :, frame].sum(), leaf)
        reached = gradient.abs().amax((0, 1, 3, 4))
        assert (reached[: frame + 1] > 0).all()
        assert not reached[frame + 1 :].any()


def test_adaptors_and_the_mask_alone_tell_frames_apart():
    (x, t, text), order = inputs(), [2, 0, 1]

    def commutes(net):
        found = net(x[:, :, order], t, text=text), net(x, t, text=text)[:, :, order]
        return torch.allclose(*found)

    assert commutes(lifted())
    assert not commutes(train(lifted(), ".scale"))
    assert not commutes(train(lifted(), ".shift"))
    assert not commutes(train(lifted(), "time.proj.weight"))
    alike = train(lifted(), ".scale", ".shift")
    for name, parameter in alike.named_parameters():
        if name.endswith((".scale", ".shift")):
            parameter.data = parameter.data[:1].expand_as(parameter)
    assert commutes(alike)


@pytest.mark.parametrize("mask", ["causal", "printed"])
def test_attention_over_time_is_what_its_formula_says(mask):
    torch.manual_seed(0)
    layer = DirectedAttention(8, 2, mask).double()
    nn.init.normal_(layer.proj.weight)
    x = torch.randn(2 * 3, 8, 2, 2, dtype=torch.float64)
    rows = x.view(2, 3, 8, 2, 2)[1, :, :, 0, 1]  # the frames of one place
    h = (rows - rows.mean(1, keepdim=True)) / (rows.var(1, False, keepdim=True) + 1e-5).sqrt()
    q, k, v = (h @ layer.qkv.weight.T).chunk(3, 1)
    out = torch.zeros(3, 8, dtype=torch.float64)
    for head in (slice(0, 4), slice(4, 8)):
        scores = (q[:, head] @ k[:, head].T / 2).exp()
        for p in range(3):
            keys = range(p + 1) if mask == "causal" else range(p, 3)
            total = scores[p, : p + 1].sum() if mask == "causal" else scores[p].sum()
            out[p, head] = sum(scores[p, s] / total * v[s, head] for s in keys)
    found = layer(x, 3).view(2, 3, 8, 2, 2)[1, :, :, 0, 1]
    assert_close(found, out @ layer.proj.weight.T)


def test_an_adaptor_has_two_numbers_for_each_channel_and_frame():
    convs = [one for one in lifted(given=True).modules() if isinstance(one, AdaptedConv)]
    all_of_images = [one for one in parent().modules() if isinstance(one, nn.Conv2d)]
    around_attention = [one for one in all_of_images if one.kernel_size == (1, 1)]
    skips = [one for one in around_attention if one.in_channels != one.out_channels]
    assert len(convs) == len(all_of_images) - len(around_attention) + len(skips)
    for conv in convs:
        assert conv.scale.numel() + conv.shift.numel() == 2 * FRAMES * conv.out_channels


def test_further_channels_are_part_of_one_convolution():
    torch.manual_seed(0)
    conv = WidenedConv(2, 4, 3, further=3, padding=1, frames=2).double()
    nn.init.normal_(conv.further)
    nn.init.normal_(conv.scale)
    whole = nn.Conv2d(5, 4, 3, padding=1).double()
    whole.weight.data = torch.cat([conv.weight, conv.further], 1)
    whole.bias.data = conv.bias
    x = torch.randn(4, 5, 6, 6, dtype=torch.float64)
    assert_close(conv(x), whole(x) * conv.scale.repeat(2, 1, 1, 1))


def test_stable_diffusions_unet_takes_so_many_more_parameters():
    sizes = {"width": 320, "multipliers": [1, 2, 4, 4], "attention": [1, 2, 4], "heads": 8}
    with torch.device("meta"):
        net = LiftedUNet([4, 16, 32, 32], **sizes, text_shape=[77, 768], fps_shape=[])
        image = UNet([4, 32, 32], **sizes, text_shape=[77, 768])
    old = set(dict(image.named_parameters()))
    new = {name: p.numel() for name, p in net.named_parameters() if name not in old}
    assert sum(p.numel() for p in net.parameters()) - sum(new.values()) == 859_520_964
    # Blocks with attention of each width; each has 4 matrices and 3 vectors.
    blocks = {320: 5, 640: 5, 1280: 6}
    time = sum(n for name, n in new.items() if ".time." in name)
    assert time == sum(n * (4 * c * c + 3 * c) for c, n in blocks.items())
    fps = sum(n for name, n in new.items() if name.startswith("fps_embedder"))
    assert fps == 320 * 1280 + 1280 + 1280 * 1280 + 1280
    channels = sum(m.out_channels for m in net.modules() if isinstance(m, AdaptedConv))
    assert sum(new.values()) == time + fps + 2 * 16 * channels


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: LiftedUNet([4, 4, 4], **SMALL), "denoises latents .* found"),
        (lambda: lifted()(inputs()[0][:, :, :2], inputs()[1]), "clips of 3 latents, found 2"),
        (lambda: lifted(fps_shape=[])(*inputs()[:2], text=inputs()[2]), "built for fps, found no"),
        (
            lambda: lifted()(*inputs()[:2], text=inputs()[2], frames=inputs()[0]),
            "given=False, found frames",
        ),
    ],
)
def test_what_it_was_not_built_for_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
