"""Brownian motion on the flat torus: independent wrapped normals, one for each angle."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, normal
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.circle import UNIFORM, wrapped_log_density, wrapped_score

__all__ = ["TorusHeatKernel"]


class TorusHeatKernel(HeatKernel):
    """Wrapped normals on tuples of angles in radians, exact to rounding for every positive s."""

    def log_density(
        self, x: Float[Tensor, "n dim"], origin: Float[Tensor, "n dim"], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        return wrapped_log_density(x - origin, s.to(x.dtype).unsqueeze(1)).sum(1)

    def score(
        self, x: Float[Tensor, "n dim"], origin: Float[Tensor, "n dim"], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n dim"]:
        return wrapped_score(x - origin, s.to(x.dtype).unsqueeze(1))

    def sample(
        self, origin: Float[Tensor, "n dim"], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n dim"]:
        noise = normal(origin.shape, generator, origin.device, origin.dtype)
        std = s.to(origin.dtype).clamp(max=UNIFORM).sqrt()
        angle = torch.remainder(origin + std.unsqueeze(1) * noise, 2 * math.pi)
        return torch.where(angle >= 2 * math.pi, 0.0, angle)
