"""Relative positions of frames in attention.

Sources: Shaw et al., "Self-Attention with Relative Position Representations", 2018; He et al.,
"Latent Video Diffusion Models for High-Fidelity Long Video Generation", 2022.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Positions", "RelativeAttention"]

Positions = Literal["transposed", "shaw"]
"""How queries meet the positions of keys, see `RelativeAttention`."""


class RelativeAttention(nn.Module):
    """Softmax attention whose keys and values have a learned part of the distance in frames.

    With tables K and V of one row a distance, the output at frame t is
    `sum_s a(t, s) (v(s) + V[s - t])`, and the logits of `a` are, for heads of width d,

    - `shaw`: `q(t) (k(s) + K[s - t]) / sqrt(d)`, as in the paper of that name;
    - `transposed`: `q(t) k(s) / sqrt(d) + q(s) K[t - s] / d^(1/4)`, as LVDM's unconditional,
      prediction and interpolation networks were trained: the second term is that of frames
      exchanged. Its scale is as recalled.

    Args:
        width: of a head.
        frames: largest distance; farther frames share its row.
        positions: `shaw` or `transposed`.

    Example:
        >>> layer = RelativeAttention(8, frames=4)
        >>> layer(*torch.randn(3, 2, 1, 5, 8)).shape
        torch.Size([2, 1, 5, 8])
    """

    def __init__(self, width: int, frames: int, positions: Positions = "transposed") -> None:
        super().__init__()
        self.frames, self.positions = frames, positions
        self.keys, self.values = (nn.Embedding(2 * frames + 1, width) for _ in range(2))
        for table in (self.keys, self.values):
            nn.init.xavier_uniform_(table.weight)

    def forward(
        self,
        q: Float[Tensor, "b heads t d"],
        k: Float[Tensor, "b heads t d"],
        v: Float[Tensor, "b heads t d"],
    ) -> Float[Tensor, "b heads t d"]:
        places = torch.arange(q.shape[2], device=q.device)
        distance = (places - places[:, None]).clamp(-self.frames, self.frames)  # s - t
        keys, values = (table(distance + self.frames) for table in (self.keys, self.values))
        width = q.shape[3]
        met = torch.einsum("bhtd,tsd->bhts", q, keys.to(q.dtype))
        met = met.mT * width**-0.25 if self.positions == "transposed" else met * width**-0.5
        weights = (q @ k.mT * width**-0.5 + met).softmax(3)
        return weights @ v + torch.einsum("bhts,tsd->bhtd", weights, values.to(weights.dtype))
