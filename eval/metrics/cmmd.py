"""CMMD: the squared maximum mean discrepancy of embeddings, with a Gaussian kernel.

Source: Jayasumana et al., "Rethinking FID: towards a better evaluation metric for image
generation", 2024, section 4: CLIP's embeddings of unit length, bandwidth 10, the biased estimate,
times 1,000.
"""

from jaxtyping import Float, Float64
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from eval.metrics.two_sample import GaussianKernel, discrepancy

__all__ = ["CMMD", "cmmd"]

SCALE = 1000


def cmmd(
    x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"], bandwidth: float = 10.0
) -> Float64[Tensor, ""]:
    """Compute 1,000 times the squared discrepancy, each embedding compared to itself as well.

    It is zero for equal sets and never negative.

    Raises:
        ValueError: a set has fewer than two embeddings, or the bandwidth is not positive.

    Example: two sets, each of one unit vector, and the vectors orthogonal: 2000 (1 - exp(-1/100)).
        >>> import torch
        >>> x, y = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([[0.0, 1.0]] * 2)
        >>> round(cmmd(x, y).item(), 4)
        19.9003
    """
    return SCALE * discrepancy(x, y, GaussianKernel(bandwidth)).biased


class CMMD(Metric):
    """`cmmd` between all generated and all real embeddings seen on all ranks."""

    higher_is_better = False
    full_state_update = False

    def __init__(self, bandwidth: float = 10.0) -> None:
        super().__init__()
        self.bandwidth = bandwidth
        self.add_state("real", default=[], dist_reduce_fx="cat")
        self.add_state("fake", default=[], dist_reduce_fx="cat")

    def update(self, features: Float[Tensor, "batch dim"], *, real: bool) -> None:
        (self.real if real else self.fake).append(features.float())

    def compute(self) -> Float64[Tensor, ""]:
        return cmmd(dim_zero_cat(self.real), dim_zero_cat(self.fake), self.bandwidth)
