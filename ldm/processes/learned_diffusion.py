"""A Gaussian diffusion in discrete time whose noise schedule is learned.

Source: Kingma et al., "Variational diffusion models", 2021, appendix H; the ends at initialisation
are those of Hoogeboom et al. 2022.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ldm.processes.diffusion import GaussianDiffusion
from ldm.processes.process import GaussianProcess
from ldm.spaces import Space

__all__ = ["LearnedDiffusion"]

FIRST, LAST = -5.0, 10.0
"""`log(sigma^2 / alpha^2)` at both ends, before training."""


class Rising(nn.Module):
    """A linear map whose weights are positive, so that every output rises with every input."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) - 2)
        self.bias = nn.Parameter(torch.randn(out_features) / 2)

    def forward(self, x: Float[Tensor, "n in"]) -> Float[Tensor, "n out"]:
        return F.linear(x, F.softplus(self.weight), self.bias)


class LearnedDiffusion(GaussianDiffusion, nn.Module):
    """The noise `log(sigma^2 / alpha^2)` rises with time as a monotone network says.

    It is learned with the network that denoises, and only by the variational bound: other losses
    would be least for noise that is easy to predict.

    Args:
        space: where the latents live.
        steps: number of steps.
        width: hidden units of the network.

    Raises:
        ValueError: sums of the space's points are no points of it.

    Example:
        >>> from ldm.spaces import Flat
        >>> process = LearnedDiffusion(Flat([2]))
        >>> (process.gamma(torch.tensor([0, 1000])) * 10).round() / 10
        tensor([-5., 10.], grad_fn=<DivBackward0>)
    """

    learned = True

    def __init__(self, space: Space, steps: int = 1001, width: int = 1024) -> None:
        nn.Module.__init__(self)
        GaussianProcess.__init__(self, space)
        self.steps, self.span = steps, (steps - 1, 0)
        self.straight, self.wide, self.narrow = Rising(1, 1), Rising(1, width), Rising(width, 1)
        self.first = nn.Parameter(torch.tensor(FIRST))
        self.rise = nn.Parameter(torch.tensor(LAST - FIRST).expm1().log())  # undone by softplus

    def gamma(self, t: Tensor) -> Float[Tensor, " n"]:
        """`log(sigma^2 / alpha^2)` at each time."""
        ends = torch.tensor([0.0, 1.0], device=t.device)
        times = torch.cat([ends, t.flatten().float() / (self.steps - 1)]).unsqueeze(1)
        line = self.straight(times)
        values = (line + self.narrow(torch.sigmoid(self.wide(line)))).squeeze(1)
        share = (values[2:] - values[0]) / (values[1] - values[0])
        return (self.first + F.softplus(self.rise) * share).view(t.shape)

    def alpha_sigma(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        gamma = self.gamma(t)
        return torch.sigmoid(-gamma).sqrt(), torch.sigmoid(gamma).sqrt()

    @property
    def alpha_bar(self) -> Float[Tensor, " steps"]:
        """Square of the signal's scale at all times, on the CPU, without a gradient."""
        with torch.no_grad():
            times = torch.arange(self.steps, device=self.first.device)
            return torch.sigmoid(-self.gamma(times).double()).cpu()

    @property
    def betas(self) -> Float[Tensor, " steps"]:
        """Variance that each step adds, on the CPU, without a gradient."""
        signal = torch.cat([torch.ones(1, dtype=torch.float64), self.alpha_bar])
        return 1 - signal[1:] / signal[:-1]
