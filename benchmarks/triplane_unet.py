"""One training step of PVDM's U-Net of three planes, compared with a U-Net of clips.

Both denoise a clip of 16 frames of 256 pixels in patches of 8, 4 channels on a grid of
16 x 32 x 32: ours its three planes, 2,048 places, the other all 16,384, by LVDM's convolutions
within frames and attention within frames and along time. Levels of 64, 128 and 256 channels with
attention at each: 20.2 million parameters of ours, 18.9 million of the other.
Single clips, bfloat16 autocast, fused AdamW, on the CPU. Steps of both networks alternate, so that
other load on the machine affects both equally.

Run it with `python -m benchmarks.triplane_unet`.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.dit_step import Row, medians
from ldm.networks.videos.lvdm.unet import SpaceTimeUNet
from ldm.networks.videos.triplane import TriplaneUNet

BASELINE = "LVDM's U-Net of clips"
CLIP = [4, 16, 32, 32]
SIZES = {"width": 64, "multipliers": [1, 2, 4], "attention": [1, 2, 4], "heads": 4}


def planes() -> TriplaneUNet:
    """Build the network of planes."""
    return TriplaneUNet([4, 2048], CLIP[1:], blocks=2, **SIZES)


def clips() -> SpaceTimeUNet:
    """Build the network of clips, of the same levels."""
    return SpaceTimeUNet(CLIP, blocks=2, **SIZES)


def training_step(net: nn.Module, shape: list[int]) -> Callable[[], None]:
    """Build a function that trains a network on one fixed latent."""
    x, target, t = torch.randn(1, *shape), torch.randn(1, *shape), torch.tensor([500])
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.mse_loss(net(x, t), target)
        loss.backward()
        optimizer.step()

    return step


def rows() -> list[Row]:
    """Measure; one row: name, our seconds, baseline seconds, baseline, target."""
    torch.manual_seed(0)
    steps = {"planes": training_step(planes(), [4, 2048]), "clips": training_step(clips(), CLIP)}
    seconds = medians(steps)
    what = "U-Net training step, planes of a clip"
    return [(what, seconds["planes"], seconds["clips"], BASELINE, "ratio at most 0.333")]


if __name__ == "__main__":
    for name, mine, theirs, baseline, target in rows():
        print(
            f"{name}: {mine:.3f} s, {baseline} {theirs:.3f} s, ratio {mine / theirs:.2f} ({target})"
        )
