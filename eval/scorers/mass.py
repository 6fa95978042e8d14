"""The integral of a prior's density over the space, a check of its normalisation."""

import math
from dataclasses import dataclass

import torch

from eval.record import Record
from eval.scorers.point_scorer import LikelihoodScorer
from ldm.config.compose import ConfigError
from ldm.run.parts import Parts

__all__ = ["Mass"]


@dataclass
class Mass(LikelihoodScorer):
    """Integral of the density over a compact space, which should be 1.

    Attributes:
        mass: number of quadrature points spread over the space. 0 for no integral: in spaces of
            infinite volume, or of too many dimensions for quadrature.

    Raises:
        ValueError: `mass` is negative.
    """

    mass: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mass < 0:
            raise ValueError(f"mass must be 0 or more, got {self.mass}")

    def check(self, parts: Parts) -> None:
        super().check(parts)
        space = parts.tokenizer.space
        if self.mass and math.isinf(space.log_volume):
            raise ConfigError(f"{space} has no volume to sum a density over: set eval.mass=0")

    def score(self, parts: Parts, record: Record) -> None:
        if not self.mass:
            return
        space, protocol = parts.tokenizer.space, self.protocol(parts)
        points = space.spread(self.mass).to(torch.float32)
        density = self.of_points(parts, points).double().exp()
        record.add({"mass": density.mean() * math.exp(space.log_volume)}, n=self.mass, **protocol)
