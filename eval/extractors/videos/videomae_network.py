"""The encoder of VideoMAE v2: a vision transformer of tubelets, without a class token.

Source: Wang et al., "VideoMAE V2: scaling video masked autoencoders with dual masking", 2023. The
names of the weights are those of the authors' fine-tuned networks, as recalled: `patch_embed.proj`,
`blocks.<i>.{norm1, attn, norm2, mlp}`, `fc_norm` and `head`.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.vision_transformer import EPS, Block
from ldm.networks.transformer import check_heads

__all__ = ["VideoMAEEncoder", "from_authors"]


class VideoMAEEncoder(nn.Module):
    """The network from clips in [0, 1] to the normalised mean of its tokens; ViT-g by default.

    Args:
        width, depth, heads: of the tokens and blocks.
        hidden: width of the perceptrons.
        patch: side of a square patch, pixels.
        tubelet: frames of a token.
        side, frames: of a clip.
        classes: of the head, which features do not need: it tells files apart.

    Raises:
        ValueError: `width` is not a multiple of `heads`.

    Example:
        >>> with torch.device("meta"):
        ...     network = VideoMAEEncoder()
        >>> network(torch.zeros(1, 3, 16, 224, 224, device="meta")).shape
        torch.Size([1, 1408])
    """

    def __init__(
        self,
        width: int = 1408,
        depth: int = 40,
        heads: int = 16,
        hidden: int = 6144,
        patch: int = 14,
        tubelet: int = 2,
        side: int = 224,
        frames: int = 16,
        classes: int = 174,
    ) -> None:
        super().__init__()
        check_heads(width, depth, heads)
        shape = (tubelet, patch, patch)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(3, width, shape, shape)})
        positions = sinusoids(frames // tubelet * (side // patch) ** 2, width)
        self.register_buffer("positions", positions, persistent=False)
        self.blocks = nn.ModuleList(
            Block(width, heads, scaled=False, hidden=hidden) for _ in range(depth)
        )
        self.fc_norm = nn.LayerNorm(width, eps=EPS)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b d"]:
        h = rearrange(self.patch_embed["proj"](x), "b d t h w -> b (t h w) d") + self.positions
        for block in self.blocks:
            h = block(h)
        return self.fc_norm(h.mean(1))


def sinusoids(n: int, width: int) -> Float[Tensor, "n width"]:
    """Sines and cosines of positions in turn, of wavelengths from 2 pi to 10,000 times that.

    Example:
        >>> [round(x, 3) for x in sinusoids(2, 4)[1].tolist()]  # sin 1, cos 1, sin 0.01, cos 0.01
        [0.841, 0.54, 0.01, 1.0]
    """
    rates = 10_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(n, dtype=torch.float64)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1).float()


def from_authors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join the biases of queries and values, the only ones in files, to one with zeros for keys."""
    own = dict(state)
    for name in [name for name in state if name.endswith(".q_bias")]:
        place = name.removesuffix("q_bias")
        if (v := own.pop(f"{place}v_bias", None)) is not None:
            q = own.pop(name)
            own[f"{place}qkv.bias"] = torch.cat([q, torch.zeros_like(q), v])
    return own
