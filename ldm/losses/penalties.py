"""Penalties of a discriminator, added to its loss.

Sources: Tseng et al., "Regularizing Generative Adversarial Networks under Limited Data", 2021
(LeCam), equations 7 and 8; Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do
actually Converge?", 2018 (R1), equation 9; Karras et al., "Analyzing and Improving the Image
Quality of StyleGAN", 2020, appendix B (lazy regularisation).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from ldm import distributed

__all__ = ["GradientPenalty", "LeCam"]

Logits = Float[Tensor, "batch ..."]


class LeCam(nn.Module):
    """Keeps logits of each kind near the moving average of the other kind's.

    With averages a of all ranks' logits, the penalty is
    weight (mean relu(real - a_fake)^2 + mean relu(a_real - fake)^2).

    Args:
        weight: weight of the penalty.
        decay: of the averages, per step; they start at 0.

    Example:
        >>> penalty = LeCam(weight=1.0, decay=0.0)
        >>> one = torch.ones(4)
        >>> penalty(one, 3 * one, one).item()  # (3 - 1)^2 + (3 - 1)^2
        8.0
    """

    averages: Float[Tensor, "2"]

    def __init__(self, weight: float = 0.001, decay: float = 0.999) -> None:
        super().__init__()
        self.weight, self.decay = weight, decay
        self.register_buffer("averages", torch.zeros(2))

    def forward(self, x: Tensor, real: Logits, fake: Logits) -> Float[Tensor, ""]:
        """Update the averages with the logits of a step, and compute the penalty."""
        means = distributed.mean(torch.stack([real.detach().mean(), fake.detach().mean()]))
        self.averages.lerp_(means.to(self.averages), 1 - self.decay)
        a_real, a_fake = self.averages.clone()
        return self.weight * (
            relu(real - a_fake).square().mean() + relu(a_real - fake).square().mean()
        )


class GradientPenalty(nn.Module):
    """The squared length of the gradient of each real sample's logits, averaged over samples (R1).

    Batch normalisation makes logits depend on other samples, and their gradients are then added.

    Args:
        weight: weight of the penalty.
        every: steps from one penalty to the next, which is multiplied by their number: it is as
            strong on average, and most steps are spared a second derivative.

    Raises:
        ValueError: `every` is less than 1.

    Example:
        >>> x = torch.ones(2, 3, requires_grad=True)
        >>> GradientPenalty(weight=1.0)(x, x.sum(1), x.sum(1)).item()
        3.0
    """

    def __init__(self, weight: float = 10.0, every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be 1 step or more, got {every}")
        self.weight, self.every = weight, every

    def forward(self, x: Tensor, real: Logits, fake: Logits) -> Float[Tensor, ""]:
        """Compute the penalty from real samples, which require a gradient, and their logits."""
        (gradient,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        return self.every * self.weight * gradient.flatten(1).square().sum(1).mean()
