"""Flow matching along straight lines from noise to data.

Sources: Lipman et al. 2023; Ma et al. 2024 (SiT), whose code's convention of time this is: 0 is
noise and 1 is data, and the backbone reads t itself, not a thousand times t.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes.process import GaussianProcess
from ldm.processes.times import LogitNormal
from ldm.randomness import Generators, uniform
from ldm.spaces import Space

__all__ = ["LinearFlow"]


class LinearFlow(GaussianProcess):
    """`x_t = t x_1 + (1 - t) eps` with velocity `x_1 - eps`, t from 0 (noise) to 1 (data).

    Args:
        space: of the latents.
        times: distribution of training times; None for uniform ones.

    Example:
        >>> from ldm.spaces import Flat
        >>> LinearFlow(Flat([2])).alpha_sigma(torch.tensor([0.25]))
        (tensor([0.2500]), tensor([0.7500]))
    """

    def __init__(self, space: Space, times: LogitNormal | None = None) -> None:
        super().__init__(space)
        self.times = times

    def random_times(self, n: int, generator: Generators, device) -> Float[Tensor, " n"]:
        if self.times is None:
            return uniform((n,), generator, device)
        return self.times(n, generator, device)

    def alpha_sigma(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        return t, 1 - t

    def alpha_sigma_rate(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        return torch.ones_like(t), -torch.ones_like(t)
