"""Published sizes, receptive field, initialisations and refused arguments of the PatchGAN."""

import math

import pytest
import torch
from torch import nn

from ldm.networks.images.patchgan import PatchGAN


@pytest.mark.parametrize(("layers", "parameters", "side"), [(3, 2_765_633, 30), (2, 663_361, 62)])
def test_published_sizes(layers, parameters, side):
    with torch.device("meta"):
        patchgan = PatchGAN(layers=layers)
        logits = patchgan(torch.empty(2, 3, 256, 256))
    assert sum(p.numel() for p in patchgan.parameters()) == parameters
    assert logits.shape == (2, 1, side, side)


def test_one_channel_images_give_one_logit_per_patch():
    assert PatchGAN(1, width=16, layers=1)(torch.randn(2, 1, 8, 8)).shape == (2, 1, 2, 2)


def test_the_receptive_field_of_three_layers_is_70_pixels():
    image = torch.randn(1, 3, 256, 256, requires_grad=True)
    PatchGAN(width=2, norm="none")(image)[0, 0, 15, 15].backward()
    rows = image.grad.abs().sum((0, 1, 3)).nonzero()
    assert rows.max() - rows.min() + 1 == 70


@pytest.mark.parametrize(("norm", "mixes"), [("batch", True), ("none", False)])
def test_only_batch_normalisation_makes_logits_depend_on_other_images(norm, mixes):
    torch.manual_seed(0)
    patchgan = PatchGAN(1, width=8, layers=1, norm=norm)
    image = torch.randn(2, 1, 8, 8, requires_grad=True)
    patchgan(image)[0].sum().backward()
    assert bool(image.grad[1].any()) is mixes


def test_normal_weights_have_standard_deviation_0_02():
    torch.manual_seed(1)
    for module in PatchGAN().net:
        if isinstance(module, nn.Conv2d):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.06)
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=0.01)


def test_kaiming_weights_have_linear_gain_and_the_last_layer_is_scaled_by_0_1():
    torch.manual_seed(2)
    *inner, last = (m for m in PatchGAN(init="kaiming").net if isinstance(m, nn.Conv2d))
    for module in inner:
        expected = 1 / math.sqrt(module.weight[0].numel())
        assert module.weight.std().item() == pytest.approx(expected, rel=0.06)
    assert last.bias is None
    assert last.weight.std().item() == pytest.approx(0.1 / math.sqrt(512 * 16), rel=0.06)


def test_clips_may_keep_their_frames_in_later_layers():
    with torch.device("meta"):
        clip = torch.empty(1, 3, 25, 64, 64)
        options = dict(axes=3, kernel=3, dropout=0.3)
        assert PatchGAN(layers=4, time_layers=2, **options)(clip).shape == (1, 1, 7, 4, 4)
        assert PatchGAN(layers=4, **options)(clip).shape == (1, 1, 2, 4, 4)
        # Kernels of 4 with padding 2 add 1 to each grid, halved or not.
        patchgan = PatchGAN(layers=3, axes=3, padding=2)
        shapes = [tuple(one.shape[1:]) for one in patchgan.features(clip)]
    assert shapes[0] == (64, 13, 33, 33)
    assert [shape[0] for shape in shapes] == [64, 128, 256, 512, 1]


def test_one_frame_is_judged_by_a_discriminator_of_clips():
    patchgan = PatchGAN(width=4, layers=2, axes=3, kernel=3, dropout=0.5)
    x = torch.randn(2, 3, 1, 16, 16)
    assert patchgan(x).shape == (2, 1, 1, 4, 4)
    assert not torch.equal(patchgan(x), patchgan(x))
    patchgan.eval()
    assert torch.equal(patchgan(x), patchgan(x))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="norm is one of batch, none, found 'layer'"):
        PatchGAN(norm="layer")
    with pytest.raises(ValueError, match="init is one of"):
        PatchGAN(init="zero")
    with pytest.raises(ValueError, match="axes is one of 2, 3, found 1"):
        PatchGAN(axes=1)
    with pytest.raises(ValueError, match="at least 24 pixels a side, found 8 x 64"):
        PatchGAN()(torch.zeros(1, 3, 8, 64))
