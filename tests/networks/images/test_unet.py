"""Published sizes on the meta device, initial outputs, and what the network is told."""

import pytest
import torch
from authors import randomized

from ldm.networks.images.unet import UNet

TEXT = {"text_shape": [3, 24]}


def small(**changes) -> UNet:
    """A double-precision network with random weights, since a new one gives zero."""
    sizes = {"width": 32, "multipliers": [1, 2], "blocks": 1, "attention": [2], "heads": 4}
    return randomized(UNet([4, 8, 8], **sizes | changes)).double()


def inputs(n: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(n, 4, 8, 8, dtype=torch.float64), torch.arange(n) * 300


def test_a_new_network_gives_zero():
    x, t = inputs()
    net = UNet([4, 8, 8], 32, [1, 2], heads=2, context=16, classes=5).double()
    assert torch.equal(net(x, t, torch.tensor([0, 4, 5])), torch.zeros_like(x))


def test_latents_of_other_sides_are_denoised_alike():
    net, (x, t) = small(), inputs()
    wide = torch.cat([x, x], 3)  # a network of local layers would repeat its output
    assert net(wide, t).shape == wide.shape
    assert net(x[:, :, :6], t).shape == (3, 4, 6, 8)


@pytest.mark.parametrize("context", [0, 16], ids=["added", "attended"])
def test_omitting_labels_equals_passing_the_null_label(context):
    net, (x, t) = small(classes=5, context=context), inputs()
    assert torch.equal(net(x, t), net(x, t, torch.full((3,), 5)))
    assert not torch.equal(net(x, t), net(x, t, torch.full((3,), 4)))


@pytest.mark.parametrize("context", [0, 16], ids=["added", "attended"])
def test_without_a_null_class_a_label_must_be_given(context):
    net, (x, t) = small(classes=5, context=context, null_class=False), inputs()
    assert len(net.y_embedder.embedding_table.weight) == 5
    assert net(x, t, torch.tensor([0, 3, 4])).shape == x.shape
    with pytest.raises(ValueError, match="built with null_class=False, found no label"):
        net(x, t)


def test_attention_to_a_single_place_needs_no_queries():
    net, (x, t) = small(classes=5, context=16), inputs()
    layer = next(each for name, each in net.named_modules() if name.endswith(".sequence"))
    tokens, context = torch.randn(2, 7, 64).double(), torch.randn(2, 1, 16).double()
    twice = layer(tokens, context.expand(-1, 2, -1))  # two equal places: by queries and keys
    torch.testing.assert_close(layer(tokens, context).expand_as(twice), twice)
    net(x, t, torch.tensor([0, 4, 5])).square().sum().backward()
    still = {name for name, p in net.named_parameters() if p.grad is None}
    assert still == {name for name, p in net.named_parameters() if not p.requires_grad}
    assert all(name.split(".sequence.")[1][:4] in ("norm", "q.we", "k.we") for name in still)


def test_words_outside_of_the_mask_count_for_nothing():
    net, (x, t) = small(**TEXT), inputs()
    text = torch.randn(3, 3, 24, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1]]).bool()
    expected = net(x, t, text=text, text_mask=mask)
    other = torch.where(mask[..., None], text, torch.randn_like(text))
    torch.testing.assert_close(net(x, t, text=other, text_mask=mask), expected)
    assert not torch.allclose(net(x, t, text=text), expected)


def test_an_image_is_concatenated_to_the_noisy_latent():
    net, (x, t) = small(image_shape=[2, 8, 8]), inputs()
    image = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    first = net.conv_in.weight.shape
    assert first[1] == 6
    assert not torch.allclose(net(x, t, image=image), net(x, t, image=-image))


@pytest.mark.parametrize("sizes", [{}, {"resample_blocks": True, "scale_shift": True}, TEXT])
def test_checkpointing_leaves_outputs_and_gradients_unchanged(sizes):
    net, (x, t) = small(**sizes), inputs()
    given = {"text": torch.randn(3, 3, 24).double()} if "text_shape" in sizes else {}

    def run(checkpointing: bool) -> tuple[int, list[torch.Tensor]]:
        kept = []
        for module in net.modules():
            if hasattr(module, "checkpointing"):
                module.checkpointing = checkpointing
        with torch.autograd.graph.saved_tensors_hooks(lambda s: kept.append(s) or s, lambda s: s):
            loss = net(x, t, **given).square().mean()
        return len(kept), torch.autograd.grad(loss, list(net.parameters()))

    (kept, plain), (less, recomputed) = run(False), run(True)
    assert less < kept
    for a, b in zip(plain, recomputed, strict=True):
        assert torch.equal(a, b)


def test_convolutions_run_with_channels_last():
    net, (x, t) = small(), inputs()
    seen = []
    net.middle[0].register_forward_hook(lambda module, given, h: seen.append(h))
    out = net(x, t)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert out.is_contiguous()


def test_bfloat16_autocast_stays_near_single_precision():
    net, (x, t) = small(classes=5, context=16).float(), inputs()
    label, x = torch.tensor([0, 4, 5]), x.float()
    expected = net(x, t, label)
    with torch.autocast("cpu", torch.bfloat16):
        got = net(x, t, label)
    assert (got - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"head_width": 8}, "set one of them, got heads=4 and head_width=8"),
        ({"heads": None}, "set one of them, got heads=None and head_width=None"),
        ({"heads": 3}, "64 channels cannot be divided: heads=3"),
        ({"width": 48}, "into 32 groups, found 48 channels"),
        ({"image_shape": [3, 4, 4]}, r"an image of \(3, 4, 4\) and latents of \(4, 8, 8\)"),
    ],
)
def test_inconsistent_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        small(**sizes)


def test_inputs_that_it_was_not_built_for_are_refused():
    net, (x, t) = small(), inputs()
    with pytest.raises(ValueError, match="classes=0, found a label"):
        net(x, t, torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match=r"whose sides are multiples of 2, found \(4, 7, 8\)"):
        net(x[:, :, :7], t)
    with pytest.raises(ValueError, match="built without text, found one"):
        net(x, t, text=torch.zeros(3, 3, 24))
    with pytest.raises(ValueError, match="built for image, found none"):
        small(image_shape=[2, 8, 8])(x, t)
