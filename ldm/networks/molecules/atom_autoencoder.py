"""A transformer encoder and decoder of molecules: each atom has a latent, without any symmetry.

As in Joshi et al., "All-atom diffusion transformers", 2025.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ldm.networks.molecules.by_size import cut
from ldm.networks.molecules.masked import centred, occupied
from ldm.networks.transformer import check_heads

__all__ = ["AtomDecoder", "AtomEncoder"]


class PointTransformer(nn.Module):
    """Maps sets of points to sets of points with other features, in the same places."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        check_heads(width, depth, heads)
        self.embedding = nn.Linear(inputs, width)
        options = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, **options) for _ in range(depth)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))

    def forward(
        self, x: Float[Tensor, "b n in"], mask: Bool[Tensor, "b n"]
    ) -> Float[Tensor, "b n out"]:
        """Features that come out, zeros in empty places."""
        return cut(self._dense, mask, x)

    def _dense(self, x: Tensor, mask: Tensor) -> Tensor:
        h = self.embedding(x)
        unseen = ~mask & mask.any(1, keepdim=True)  # a set without points still sees one
        for block in self.blocks:
            h = block(h, src_key_padding_mask=unseen)
        return torch.where(mask.unsqueeze(-1), self.head(h), 0)


class AtomEncoder(PointTransformer):
    """Maps atoms to features of their latents.

    Args:
        shape: of the data, `(places, 3 + features)`.
        latent_shape: of the latents, `(places, latent features)`.
        width, depth, heads: token width, number of blocks, attention heads per block.

    Raises:
        ValueError: `width` is not a multiple of `heads`, or a size is less than 1.

    Example:
        >>> encoder = AtomEncoder([29, 8], [29, 4], width=32, depth=1)
        >>> encoder(torch.zeros(2, 29, 8), torch.ones(2, 29).bool()).shape
        torch.Size([2, 29, 4])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_shape: Sequence[int],
        width: int = 256,
        depth: int = 4,
        heads: int = 8,
    ) -> None:
        super().__init__(shape[1], latent_shape[1], width, depth, heads)

    def forward(
        self, x: Float[Tensor, "b places d"], mask: Bool[Tensor, "b places"] | None = None
    ) -> Float[Tensor, "b places latent"]:
        """Encode molecules; without a mask all places hold an atom."""
        return super().forward(x, occupied(x, mask))


class AtomDecoder(PointTransformer):
    """Maps latents to atoms: positions of zero mean, logits of their types, and other features.

    Args:
        shape: of the data, `(places, 3 + features)`.
        latent_shape: of the latents, `(places, latent features)`.
        width, depth, heads: token width, number of blocks, attention heads per block.

    Raises:
        ValueError: `width` is not a multiple of `heads`, or a size is less than 1.

    Example:
        >>> decoder = AtomDecoder([29, 8], [29, 4], width=32, depth=1)
        >>> decoder(torch.zeros(2, 29, 4), torch.ones(2, 29).bool()).shape
        torch.Size([2, 29, 8])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_shape: Sequence[int],
        width: int = 256,
        depth: int = 4,
        heads: int = 8,
    ) -> None:
        super().__init__(latent_shape[1], shape[1], width, depth, heads)

    def forward(
        self, latent: Float[Tensor, "b places latent"], mask: Bool[Tensor, "b places"] | None = None
    ) -> Float[Tensor, "b places d"]:
        """Decode latents; without a mask all places hold one."""
        mask = occupied(latent, mask)
        atoms = super().forward(latent, mask)
        return torch.cat([centred(atoms[..., :3], mask), atoms[..., 3:]], -1)
