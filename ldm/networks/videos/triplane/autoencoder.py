"""PVDM's autoencoder: a video transformer whose features are projected to three planes, and back.

Source: Yu et al., "Video Probabilistic Diffusion Models in Projected Latent Space", 2023, section
3.2 and appendix. As in the authors' code, the decoder adds the three planes; the paper concatenates
them.
"""

from collections.abc import Sequence
from typing import Any

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.videos.triplane.blocks import Collapse, SpaceTimeBlock
from ldm.networks.videos.triplane.planes import Planes

__all__ = ["TriplaneDecoder", "TriplaneEncoder"]

COLLAPSED = ("b t h w d -> (b h w) t d", "b t h w d -> (b t w) h d", "b t h w d -> (b t h) w d")
"""The sequence that each plane is collapsed from: times, rows, columns."""

PLACED = ("b d h w -> b 1 h w d", "b d t w -> b t 1 w d", "b d t h -> b t h 1 d")
"""Each plane, to be broadcast along its axis."""


class TriplaneEncoder(nn.Module):
    """Maps clips to features of three planes `(b, out_channels, h w + t w + t h)`.

    Args:
        shape: of a clip, `(channels, frames, height, width)`.
        out_channels: channels of the planes.
        width: of the tokens, one for each patch of each frame.
        depth, heads, head_width: of the video transformer.
        patch: side of a patch, pixels.

    Raises:
        ValueError: patches do not fill a frame, or clips have another shape.

    Example:
        >>> import torch
        >>> encoder = TriplaneEncoder([3, 2, 16, 16], width=16, depth=1, heads=2, head_width=8)
        >>> encoder(torch.zeros(1, 3, 2, 16, 16)).shape
        torch.Size([1, 4, 12])
    """

    def __init__(
        self,
        shape: Sequence[int] = (3, 16, 256, 256),
        out_channels: int = 4,
        width: int = 384,
        depth: int = 8,
        heads: int = 8,
        head_width: int = 64,
        patch: int = 8,
    ) -> None:
        super().__init__()
        self.shape, self.patch, self.planes = tuple(shape), patch, Planes.of(shape, patch)
        self.embed = nn.Linear(shape[0] * patch**2, width)
        self.blocks = nn.ModuleList(SpaceTimeBlock(width, heads, head_width) for _ in range(depth))
        self.collapse = nn.ModuleList(Collapse(length, width) for length in self.planes)
        self.heads = nn.ModuleList(nn.Linear(width, out_channels) for _ in self.planes)

    @property
    def interface(self) -> dict[str, Any]:
        """Sides of the grid, for the prior's network."""
        return {"grid": list(self.planes)}

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b d length"]:
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"built for clips of {self.shape}, found {tuple(x.shape[1:])}")
        p = self.patch
        x = self.embed(rearrange(x, "b c t (h p) (w q) -> b t h w (p q c)", p=p, q=p))
        for block in self.blocks:
            x = block(x)
        made = []
        for collapse, head, to_rows, (first, second) in zip(
            self.collapse, self.heads, COLLAPSED, self.planes.sides, strict=True
        ):
            plane = head(collapse(rearrange(x, to_rows)))
            made.append(rearrange(plane, "(b m n) d -> b d m n", m=first, n=second))
        return Planes.join(made)


class TriplaneDecoder(nn.Module):
    """Maps three planes to clips in (-1, 1): they are broadcast, added and read by a transformer.

    Args:
        shape: of a clip, `(channels, frames, height, width)`.
        latent_shape: channels and places of the planes.
        width, depth, heads, head_width, patch: as for `TriplaneEncoder`.

    Raises:
        ValueError: patches do not fill a frame, or the planes are those of other clips.
    """

    def __init__(
        self,
        shape: Sequence[int] = (3, 16, 256, 256),
        latent_shape: Sequence[int] = (4, 2048),
        width: int = 384,
        depth: int = 8,
        heads: int = 8,
        head_width: int = 64,
        patch: int = 8,
    ) -> None:
        super().__init__()
        self.planes = Planes.of(shape, patch)
        if latent_shape[1] != self.planes.length:
            raise ValueError(
                f"clips of {tuple(shape)} have planes of {self.planes.length} places in all, found "
                f"{latent_shape[1]}"
            )
        self.expand = nn.ModuleList(nn.Linear(latent_shape[0], width) for _ in self.planes)
        self.blocks = nn.ModuleList(SpaceTimeBlock(width, heads, head_width) for _ in range(depth))
        self.to_pixel = nn.ConvTranspose2d(width, shape[0], patch, patch)

    @property
    def last_layer(self) -> Float[Tensor, "d c p p"]:
        """Weight of the last layer, for adaptive loss weights."""
        return self.to_pixel.weight

    def volume(self, latent: Float[Tensor, "b c length"]) -> Float[Tensor, "b t h w d"]:
        """Sum of the three planes, each the same all along one axis."""
        planes = zip(self.planes.split(latent), self.expand, PLACED, strict=True)
        xy, yt, xt = (expand(rearrange(plane, to_grid)) for plane, expand, to_grid in planes)
        return xy + yt + xt

    def forward(self, latent: Float[Tensor, "b _ length"]) -> Float[Tensor, "b c t h w"]:
        x = self.volume(latent)
        for block in self.blocks:
            x = block(x)
        frames = self.to_pixel(rearrange(x, "b t h w d -> (b t) d h w"))
        return rearrange(2 * frames.sigmoid() - 1, "(b t) c h w -> b c t h w", b=len(x))
