"""Attention of LVDM's U-Nets: within frames, and along time at each place.

Source: He et al., "Latent Video Diffusion Models for High-Fidelity Long Video Generation", 2022.
"""

from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ldm.networks.images.layers import group_norm
from ldm.networks.images.unet.attention import Attention, TransformerLayer, zero
from ldm.networks.images.unet.residual import EPS
from ldm.networks.transformer import attention
from ldm.networks.videos.lvdm.positions import Positions, RelativeAttention

__all__ = ["SpaceTimeAttention", "SpaceTimeTransformer"]

SPACE, TIME = "(b t) (h w) c", "(b h w) t c"
"""Tokens that attend to one another: those of a frame, and those of a place."""


class AxisAttention(nn.Module):
    """Multi-head self-attention among tokens along some axes of a clip, zero at the start.

    Args:
        channels: before and after.
        heads: attention heads.
        tokens: `SPACE` or `TIME`.
        positions: attention that knows the tokens' order; None for one that does not.
    """

    def __init__(
        self, channels: int, heads: int, tokens: str, positions: RelativeAttention | None = None
    ) -> None:
        super().__init__()
        self.heads, self.tokens = heads, tokens
        self.norm = group_norm(channels, eps=EPS)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.positions = positions
        self.proj_out = zero(nn.Linear(channels, channels))

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c t h w"]:
        b, _, _, h, w = x.shape
        parts = self.qkv(rearrange(self.norm(x), f"b c t h w -> {self.tokens}")).chunk(3, dim=2)
        q, k, v = (rearrange(part, "b n (h d) -> b h n d", h=self.heads) for part in parts)
        mixed = attention(q, k, v) if self.positions is None else self.positions(q, k, v)
        out = self.proj_out(rearrange(mixed, "b h n d -> b n (h d)"))
        return rearrange(out, f"{self.tokens} -> b c t h w", b=b, h=h, w=w)


class SpaceTimeAttention(nn.Module):
    """Attention among the pixels of each frame, then along time at each place; zero at the start.

    Args:
        channels: before and after.
        heads: attention heads.
        frames, positions: see `RelativeAttention`.
    """

    def __init__(self, channels: int, heads: int, frames: int, positions: Positions) -> None:
        super().__init__()
        along = RelativeAttention(channels // heads, frames, positions)
        self.space = AxisAttention(channels, heads, SPACE)
        self.time = AxisAttention(channels, heads, TIME, along)

    def forward(
        self,
        x: Float[Tensor, "b c t h w"],
        context: Float[Tensor, "b m d"] | None = None,
        mask: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b c t h w"]:
        x = x + self.space(x)
        return x + self.time(x)


class TemporalAttention(Attention):
    """Layer normalisation, then attention along time, all of whose matrices are zero at the start.

    What is trained first are the values of relative positions, and the last matrix by them.
    """

    def __init__(self, width: int, heads: int, frames: int, positions: Positions) -> None:
        super().__init__(width, heads)
        self.positions = RelativeAttention(width // heads, frames, positions)
        for part in (self.q, self.k, self.v):
            nn.init.zeros_(part.weight)
        zero(self.proj)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        x = self.norm(x)
        parts = self.q(x), self.k(x), self.v(x)
        q, k, v = (rearrange(part, "b n (h d) -> b h n d", h=self.heads) for part in parts)
        return self.proj(rearrange(self.positions(q, k, v), "b h n d -> b n (h d)"))


class SpaceTimeLayer(TransformerLayer):
    """A layer on images with attention along time after each of its two attentions."""

    def __init__(
        self, width: int, heads: int, context: int, frames: int, positions: Positions
    ) -> None:
        super().__init__(width, heads, context)
        self.before, self.after = (
            TemporalAttention(width, heads, frames, positions) for _ in range(2)
        )

    def forward(
        self,
        x: Float[Tensor, "b t n d"],
        context: Float[Tensor, "b m e"],
        mask: Bool[Tensor, "b m"] | None,
    ) -> Float[Tensor, "b t n d"]:
        x = x + self.pixels(x.flatten(0, 1)).view_as(x)
        x = x + self._along(self.before, x)
        x = x + self.sequence(x.flatten(1, 2), context, mask).view_as(x)
        x = x + self._along(self.after, x)
        return x + self.mlp(x.flatten(1, 2)).view_as(x)

    def _along(self, time: TemporalAttention, x: Tensor) -> Tensor:
        out = time(rearrange(x, "b t n d -> (b n) t d"))
        return rearrange(out, "(b n) t d -> b t n d", b=len(x))


class SpaceTimeTransformer(nn.Module):
    """A residual transformer on the pixels of clips that attend to a sequence, and along time.

    Args:
        channels: of the pixels.
        heads: attention heads.
        context: width of the sequence.
        frames, positions: see `RelativeAttention`.
    """

    def __init__(
        self, channels: int, heads: int, context: int, frames: int, positions: Positions
    ) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.proj_in = nn.Linear(channels, channels)
        self.layer = SpaceTimeLayer(channels, heads, context, frames, positions)
        self.proj_out = zero(nn.Linear(channels, channels))

    def forward(
        self,
        x: Float[Tensor, "b c t h w"],
        context: Float[Tensor, "b m d"],
        mask: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b c t h w"]:
        h = self.proj_in(rearrange(self.norm(x), "b c t h w -> b t (h w) c"))
        h = self.proj_out(self.layer(h, context, mask))
        return x + rearrange(h, "b t (h w) c -> b c t h w", h=x.shape[3])
