"""PVDM's U-Net: a network of images on three planes, which attend to one another after each block.

Source: Yu et al., "Video Probabilistic Diffusion Models in Projected Latent Space", 2023, section
3.3 and appendix.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from ldm.networks.images.unet.attention import PixelAttention
from ldm.networks.images.unet.unet import UNet
from ldm.networks.videos.triplane.planes import Planes

__all__ = ["TriplaneUNet"]

Groups = list[Float[Tensor, "_ _ _ _"]]
"""Features of planes by their sides: planes of the same sides are one batch."""


class TriplaneUNet(UNet):
    """A U-Net whose weights are the same for all planes, with attention between their places.

    All places of the three planes attend to one another after every block and every change of the
    grid. The latents of the window before are concatenated to the noisy ones; zeros stand for none.
    A new network gives zero.

    Args:
        shape: channels and places of the planes.
        grid: sides `(t, h, w)` of the grid that the planes are of.
        width: channels of the first convolution.
        multipliers: channels of each level divided by `width`, finest level first.
        blocks: residual blocks of a level on the way down; there is one more on the way up.
        attention: downsampling factors of the levels with attention within each plane.
        heads: attention heads, within planes and between them.
        classes: number of class labels; label `classes` means no label. 0 builds no label table.

    Raises:
        ValueError: the planes are not those of the grid, or a side cannot be halved as often as
            there are levels after the first.

    Example:
        >>> net = TriplaneUNet([4, 48], [4, 4, 4], width=32, multipliers=[1, 2], heads=2)
        >>> net(torch.zeros(1, 4, 48), torch.tensor([5])).shape
        torch.Size([1, 4, 48])
    """

    def __init__(
        self,
        shape: Sequence[int] = (4, 2048),
        grid: Sequence[int] = (16, 32, 32),
        width: int = 256,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        blocks: int = 2,
        attention: Sequence[int] = (1, 2, 4),
        heads: int = 8,
        classes: int = 0,
    ) -> None:
        channels, places = shape
        self.planes = Planes(*grid)
        factor = 2 ** (len(multipliers) - 1)
        if self.planes.length != places or any(side % factor for side in grid):
            raise ValueError(
                f"built for planes of a grid of {tuple(grid)}, {self.planes.length} places in all, "
                f"whose sides are multiples of {factor}; found {places} places"
            )
        plane = [channels, *self.planes.sides[0]]
        super().__init__(
            plane,
            width,
            multipliers,
            blocks,
            attention,
            heads,
            scale_shift=True,
            resample_blocks=True,
            classes=classes,
            image_shape=plane,
        )
        wide = [width * multiplier for multiplier in multipliers]
        down = [channels for channels in wide for _ in range(blocks + 1)][:-1]
        up = [channels for channels in reversed(wide) for _ in range(blocks + 1)]
        self.across_down = nn.ModuleList(PixelAttention(channels, heads) for channels in down)
        self.across_middle = PixelAttention(wide[-1], heads)
        self.across_up = nn.ModuleList(PixelAttention(channels, heads) for channels in up)

    def forward(
        self,
        x: Float[Tensor, "b c places"],
        t: Float[Tensor, " b"] | Int[Tensor, " b"],
        previous: Float[Tensor, "b c places"] | None = None,
        label: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b c places"]:
        """Predict from noisy latents `x` at times `t`, told the window before."""
        previous = torch.zeros_like(x) if previous is None else previous.to(x.dtype)
        told = F.silu(self.embed(t, label)[0]), None, None
        planes = self.planes.split(torch.cat([x, previous], 1))
        h = [self.conv_in(group) for group in self._grouped(planes)]
        kept, across = [h], iter(self.across_down)
        for level in self.down:
            for layer in level.layers:
                kept.append(_attend(next(across), _each(layer, kept[-1], told)))
            if level.downsample is not None:
                kept.append(_attend(next(across), _each(level.downsample, kept[-1], told[:1])))
        h = kept[-1]
        for block in self.middle:
            h = _each(block, h, told)
        h, across = _attend(self.across_middle, h), iter(self.across_up)
        for level in self.up:
            for number, layer in enumerate(level.layers, start=1):
                both = [torch.cat(pair, 1) for pair in zip(h, kept.pop(), strict=True)]
                h = _each(layer, both, told)
                if number == len(level.layers) and level.upsample is not None:
                    h = _each(level.upsample, h, told[:1])
                h = _attend(next(across), h)
        made = [self.conv_out(F.silu(self.norm_out(group))) for group in h]
        return Planes.join(plane for group in made for plane in group.split(len(x)))

    def _grouped(self, planes: Sequence[Tensor]) -> Groups:
        xy, *others = (plane.contiguous(memory_format=torch.channels_last) for plane in planes)
        return [xy, torch.cat(others)] if self.planes.h == self.planes.w else [xy, *others]


def _each(layer: nn.Module, groups: Groups, told: Sequence[Tensor | None]) -> Groups:
    """Apply a layer to all planes; `told` is what it is told of each sample."""
    made, b = [], len(groups[0])
    for group in groups:
        copies = len(group) // b
        made.append(layer(group, *(one if one is None else one.repeat(copies, 1) for one in told)))
    return made


def _attend(attention: PixelAttention, groups: Groups) -> Groups:
    """Let all places of all planes attend to one another."""
    b, sides = len(groups[0]), [group.shape[2:] for group in groups]
    places = [rearrange(group, "(k b) c r s -> b c 1 (k r s)", b=b) for group in groups]
    made = attention(torch.cat(places, 3)).split([one.shape[3] for one in places], 3)
    return [
        rearrange(one, "b c 1 (k r s) -> (k b) c r s", r=r, s=s).contiguous(
            memory_format=torch.channels_last
        )
        for one, (r, s) in zip(made, sides, strict=True)
    ]
