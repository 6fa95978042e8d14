"""A network of clips, and a scorer that shows them: what a prior of pixels of videos needs."""

from collections.abc import Sequence

import torch
from torch import nn

from eval.scorers.scorer import Scorer
from ldm.run.sampling import draw_share, gather

__all__ = ["ClipNetwork", "Darkness"]


class ClipNetwork(nn.Module):
    """Two convolutions over space and time; it is not told the time of the noise."""

    def __init__(self, shape: Sequence[int], width: int = 4) -> None:
        super().__init__()
        channels, *_ = shape
        self.layers = nn.Sequential(
            nn.Conv3d(channels, width, 3, 1, 1), nn.SiLU(), nn.Conv3d(width, channels, 3, 1, 1)
        )

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class Darkness(Scorer):
    """Score the share of dark pixels in generated clips."""

    def check(self, parts) -> None:
        assert len(parts.data.shape) == 4

    def score(self, parts, record) -> None:
        batch = gather((drawn.batch for drawn in draw_share(parts, 4, 0, 2)), 4)
        record.show("samples", parts.data.show(batch, columns=2))
        record.add({"dark": (batch["x"] < 0).float().mean()}, n=4)
