"""Transformers on clips: their sizes, who attends to whom, and one frame as an image."""

from math import prod

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ldm.networks.images.dit import DiT
from ldm.networks.images.lightningdit import LightningDiT
from ldm.networks.images.patches import PatchEmbedder, joined
from ldm.networks.videos.dit import SpaceTimeDiT, SpaceTimeLightningDiT

SMALL = {"width": 32, "depth": 2, "heads": 2, "classes": 5}
KINDS = [(SpaceTimeDiT, DiT), (SpaceTimeLightningDiT, LightningDiT)]
OF_IMAGES = {"S": 32_963_360, "B": 130_512_416, "L": 458_102_816, "XL": 675_129_632}  # at patch 2

every = pytest.mark.parametrize("kind", [kind for kind, _ in KINDS])


def small(kind=SpaceTimeDiT, **changes):
    """A double-precision network with random weights, since a new one is the identity."""
    torch.manual_seed(0)
    dit = kind(**{"shape": [3, 4, 4, 4], "patch": 2} | SMALL | changes).double()
    for parameter in dit.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.2)
    return dit


def inputs(n: int = 3, frames: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = torch.randn(n, 3, frames, 4, 4, dtype=torch.float64)
    return x, torch.rand(n, dtype=torch.float64) * 999, torch.arange(n) % 6


@pytest.mark.parametrize("size", OF_IMAGES)
def test_a_clip_of_frames_takes_the_parameters_of_an_image_and_more_places(size):
    with torch.device("meta"):
        dit = SpaceTimeDiT.sized(f"{size}/2", shape=[4, 16, 32, 32])
    more = 15 * 256 * SpaceTimeDiT.sizes[size]["width"]  # places of the other frames: not trained
    assert sum(p.numel() for p in dit.parameters()) == OF_IMAGES[size] + more


@every
@pytest.mark.parametrize("attention", ["factorised", "full"])
def test_a_new_network_gives_zero_and_its_blocks_the_identity(kind, attention):
    dit = kind([3, 4, 4, 4], patch=2, attention=attention, **SMALL).double()
    x, t, label = inputs()
    assert not dit(x, t, label).any()
    tokens, condition = torch.randn(3, 16, 32).double(), torch.randn(3, 32).double()
    told = [dit.rotation(x.device)] if kind is SpaceTimeLightningDiT else []
    for number in range(2):
        assert torch.equal(dit.step(number, tokens, condition, *told), tokens)


@pytest.mark.parametrize(("of_clips", "of_images"), KINDS)
def test_one_frame_under_full_attention_is_an_image(of_clips, of_images):
    dit, other = (
        small(of_clips, shape=[3, 1, 4, 4], attention="full"),
        small(of_images, shape=[3, 4, 4]),
    )
    state = other.state_dict()
    state["x_embedder.proj.weight"] = state["x_embedder.proj.weight"][:, :, None]
    dit.load_state_dict(state)
    x, t, label = inputs(frames=1)
    if of_clips is SpaceTimeLightningDiT:  # the pairs of an image turn by other frequencies
        dit.rotation = other.rotation
    assert_close(dit(x, t, label)[:, :, 0], other(x[:, :, 0], t, label))


@every
def test_even_blocks_see_a_frame_and_odd_ones_a_place(kind):
    dit = small(kind)
    h, condition = torch.randn(2, 16, 32).double(), torch.randn(2, 32).double()
    told = [dit.rotation(h.device)] if kind is SpaceTimeLightningDiT else []
    changed = h.clone()
    changed[:, 4 * 2 + 1].normal_()  # the token at place 1 of frame 2

    def reached(number):
        difference = dit.step(number, changed, condition, *told) - dit.step(
            number, h, condition, *told
        )
        return difference.abs().amax((0, 2)).unflatten(0, (4, 4)) > 1e-9

    frames, places = torch.zeros(2, 4, 4, dtype=torch.bool)
    frames[2], places[:, 1] = True, True
    assert torch.equal(reached(0), frames)
    assert torch.equal(reached(1), places)


def test_a_factorised_block_is_the_block_of_images_on_each_frame():
    dit = small()
    h, condition = torch.randn(2, 16, 32).double(), torch.randn(2, 32).double()
    expected = [dit.blocks[0](frame, condition) for frame in h.unflatten(1, (4, 4)).unbind(1)]
    assert_close(dit.step(0, h, condition), torch.cat(expected, 1))


@pytest.mark.parametrize("patch", [(2, 2), (1, 2, 2), (2, 1, 3)])
def test_patches_are_cut_as_a_convolution_does_and_joined_again(patch):
    sides = [2 * p for p in patch]
    embedder = PatchEmbedder(3, patch, 8).double()
    x = torch.randn(2, 3, *sides, dtype=torch.float64)
    assert_close(embedder(x), embedder.proj(x).flatten(2).mT)
    n = prod(patch)
    same = PatchEmbedder(3, patch, 3 * n).double()
    same.proj.weight.data = torch.eye(3 * n, dtype=torch.float64).view(3 * n, 3, *patch)
    nn.init.zeros_(same.proj.bias)
    channels_last = same(x).unflatten(2, (3, n)).mT.flatten(2)
    assert torch.equal(joined(channels_last, [2] * len(patch), patch), x)


@every
def test_recomputed_activations_give_the_same_gradients(kind):
    dit, given = small(kind), inputs()
    gradients = []
    for dit.checkpointing in (False, True):
        dit.zero_grad()
        dit(*given).square().sum().backward()
        gradients.append([p.grad for p in dit.parameters() if p.requires_grad])
    assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: DiT([4, 16, 32, 32]), r"reads latents with 2 axes .* found \(4, 16, 32, 32\)"),
        (lambda: SpaceTimeDiT([4, 32, 32]), r"reads latents with 3 axes .* found \(4, 32, 32\)"),
        (
            lambda: SpaceTimeDiT([4, 5, 8, 8], patch_frames=2),
            r"patches of side 2 do not tile a grid of \(5, 8, 8\)",
        ),
    ],
)
def test_latents_that_do_not_fit_are_refused(build, said):
    with pytest.raises(ValueError, match=said):
        build()
