"""LVDM's U-Net has its published sizes, and is a U-Net of images but for attention along time."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from ldm.networks.images.unet import UNet
from ldm.networks.videos.lvdm.attention import AxisAttention, TemporalAttention
from ldm.networks.videos.lvdm.positions import RelativeAttention
from ldm.networks.videos.lvdm.unet import SpaceTimeUNet

SMALL = {"width": 32, "multipliers": [1, 2], "blocks": 1, "attention": [2]}
CONFIGS = Path(__file__).resolve().parents[4] / "configs" / "prior"


def randomized(net: nn.Module) -> nn.Module:
    """Draw all that starts as zero, so that every layer counts."""
    torch.manual_seed(0)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    return net.double().eval()


def count(net):
    return sum(p.numel() for p in net.parameters())


def configured(file: str, part: str | None = None, **given) -> SpaceTimeUNet:
    """Build the network of a configuration on the meta device."""
    config = OmegaConf.load(CONFIGS / file)
    node = OmegaConf.to_container(config if part is None else config[part], resolve=True)
    sizes = {key: value for key, value in node.items() if key != "_target_"}
    with torch.device("meta"):
        return SpaceTimeUNet(**sizes, **given)


def test_configured_networks_have_their_published_numbers_of_parameters():
    short = configured("backbone/lvdm.yaml")
    assert count(short) == 548_904_580
    x = torch.empty(1, 4, 4, 32, 32, device="meta")
    assert short(x, torch.empty(1, device="meta")).shape == x.shape
    text = configured("backbone/lvdm_text.yaml", shape=[4, 16, 32, 32], text_shape=[77, 768])
    assert count(text) == 958_924_964
    prediction = configured("lvdm_long.yaml", "prediction", shape=[4, 16, 32, 32])
    # A channel of the mask, and 250 noise levels with one that none is at.
    assert count(prediction) == 549_163_908 == count(short) + 9 * 256 + 251 * 1024
    interpolation = configured("lvdm_long.yaml", "interpolation", shape=[4, 16, 32, 32])
    tables = [m.keys for m in short.modules() if isinstance(m, RelativeAttention)]
    rows = sum(2 * 2 * table.embedding_dim for table in tables)  # a distance more, either way
    assert count(interpolation) == count(prediction) + rows


@pytest.mark.parametrize("options", [{}, {"text_shape": [3, 8]}], ids=["pixels", "text"])
def test_a_new_network_gives_zero(options):
    net = SpaceTimeUNet([4, 3, 8, 8], **SMALL, **options)
    text = {"text": torch.randn(2, 3, 8)} if net.told else {}
    assert not net(torch.randn(2, 4, 3, 8, 8), torch.tensor([0, 999]), **text).any()


def silence_time(net: nn.Module) -> None:
    """Let attention along time add nothing, as in a new network."""
    for module in net.modules():
        if isinstance(module, TemporalAttention):
            nn.init.zeros_(module.proj.weight)
            nn.init.zeros_(module.proj.bias)
        elif isinstance(module, AxisAttention) and module.positions is not None:
            nn.init.zeros_(module.proj_out.weight)
            nn.init.zeros_(module.proj_out.bias)


@torch.no_grad()
@pytest.mark.parametrize("options", [{}, {"text_shape": [3, 8]}], ids=["pixels", "text"])
def test_frames_meet_in_attention_along_time_and_in_normalisation_alone(options):
    net = randomized(SpaceTimeUNet([4, 3, 4, 4], **SMALL, **options))
    x, t = torch.randn(1, 4, 3, 4, 4, dtype=torch.float64), torch.tensor([7])
    other = x.clone()
    other[:, :, 1] += 1
    text = {"text": torch.randn(1, 3, 8, dtype=torch.float64)} if net.told else {}
    for module in list(net.modules()):  # whose statistics are those of all frames
        for name, child in module.named_children():
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, nn.Identity())
    moved = (net(x, t, **text) - net(other, t, **text)).abs().amax((0, 1, 3, 4))
    assert (moved > 0).all()
    silence_time(net)
    moved = (net(x, t, **text) - net(other, t, **text)).abs().amax((0, 1, 3, 4))
    assert (moved > 0).tolist() == [False, True, False]


def of_images(name: str) -> str:
    return name.replace("attention.space.", "attention.")


@torch.no_grad()
@pytest.mark.parametrize("scale_shift", [False, True])
def test_a_clip_at_rest_is_denoised_as_an_image_by_the_network_of_images(scale_shift):
    clips = randomized(SpaceTimeUNet([4, 3, 8, 8], **SMALL, heads=1, scale_shift=scale_shift))
    silence_time(clips)
    images = UNet([4, 8, 8], **SMALL, heads=1, scale_shift=scale_shift).double()
    state = {of_images(key): x for key, x in clips.state_dict().items() if ".time.norm" not in key}
    own = images.state_dict()
    images.load_state_dict({key: state[key].view_as(x) for key, x in own.items()})
    x, t = torch.randn(2, 4, 8, 8, dtype=torch.float64), torch.tensor([3, 500])
    found = clips(x[:, :, None].expand(-1, -1, 3, -1, -1), t)
    expected = images(x, t)[:, :, None].expand_as(found)
    assert (found - expected).abs().max() < 1e-10 * expected.abs().max()


@torch.no_grad()
def test_given_frames_replace_noisy_ones_and_nothing_is_added_where_none_are_given():
    net = randomized(SpaceTimeUNet([4, 3, 4, 4], **SMALL, noise_levels=5))
    x, frames = torch.randn(2, 1, 4, 3, 4, 4, dtype=torch.float64)
    t, level = torch.tensor([7]), torch.tensor([3])
    given = torch.tensor([[True, False, False]])
    found = net(x, t, frames=frames, frames_given=given, frames_level=level)
    replaced = x.clone()
    replaced[:, :, 0] += 9
    beside = frames.clone()
    beside[:, :, 1:] += 9
    again = net(replaced, t, frames=beside, frames_given=given, frames_level=level)
    assert torch.equal(found, again)
    assert not torch.equal(found, net(x, t, frames=frames, frames_given=given, frames_level=-level))
    none = {"frames": frames, "frames_given": torch.zeros_like(given), "frames_level": -level}
    assert torch.equal(net(x, t, **none), net(x, t))


def test_what_it_was_not_built_for_is_refused():
    net, x, t = SpaceTimeUNet([4, 3, 8, 8], **SMALL), torch.zeros(1, 4, 3, 8, 8), torch.zeros(1)
    with pytest.raises(ValueError, match="multiples of 2, found"):
        net(torch.zeros(1, 4, 3, 8, 7), t)
    with pytest.raises(ValueError, match="built without text, found one"):
        net(x, t, text=torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match="noise_levels=0"):
        net(x, t, frames=x, frames_given=torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="data and a tokenizer of videos"):
        SpaceTimeUNet([4, 8, 8], **SMALL)
