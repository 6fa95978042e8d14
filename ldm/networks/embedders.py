"""Embeddings of timesteps and class labels, shared by networks of every modality.

Source: Peebles and Xie, "Scalable diffusion models with transformers", 2023, section 3.2.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["LabelEmbedder", "TimestepEmbedder"]


class TimestepEmbedder(nn.Module):
    """Embedding of integer or fractional timesteps: sinusoids, then a two-layer perceptron.

    Args:
        width: of the embedding.
        frequency_shift: the frequencies are `1e4 ** (-i / (waves / 2 - frequency_shift))`: 0 as
            published, 1 in diffusers' DiT.
        waves: number of sinusoids, cosines first.
    """

    def __init__(self, width: int, frequency_shift: int = 0, waves: int = 256) -> None:
        super().__init__()
        self.frequency_shift, self.waves = frequency_shift, waves
        self.mlp = nn.Sequential(nn.Linear(waves, width), nn.SiLU(), nn.Linear(width, width))

    def reset_parameters(self) -> None:
        """Draw new weights of the published deviation; biases are left as they are."""
        for linear in (self.mlp[0], self.mlp[2]):
            nn.init.normal_(linear.weight, std=0.02)

    def forward(self, t: Float[Tensor, " b"] | Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        # Use single precision or better, even in a half-precision network: t reaches 1000 radians.
        t = t.to(torch.promote_types(self.mlp[0].weight.dtype, torch.float32))
        half = self.waves // 2
        slope = -math.log(1e4) / (half - self.frequency_shift)
        frequency = torch.exp(torch.arange(half, dtype=t.dtype, device=t.device) * slope)
        angle = t[:, None] * frequency
        waves = torch.cat([angle.cos(), angle.sin()], 1)
        return self.mlp(waves.to(self.mlp[0].weight.dtype))


class LabelEmbedder(nn.Module):
    """Embedding table of class labels, whose extra last row (index `classes`) means no label.

    Args:
        classes: number of labels.
        width: of the embedding.
        null_class: False for a table without that row, of a model that is always told a label.
    """

    def __init__(self, classes: int, width: int, null_class: bool = True) -> None:
        super().__init__()
        self.embedding_table = nn.Embedding(classes + null_class, width)

    def forward(self, label: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        return self.embedding_table(label)
