"""Codebook usage and perplexity of a quantising tokenizer.

Source: Wang et al., "Scaling image tokenizers with grouped spherical quantization", 2024, who pool
the counts of all groups for the main numbers and also report them per group.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric

__all__ = ["CodebookUsage", "codebook_usage", "perplexity"]


def perplexity(counts: Int[Tensor, "*group codes"]) -> Float[Tensor, "*group"]:
    """Compute `exp` of the entropy of the counts: the effective number of codes."""
    p = counts.double() / counts.sum(dim=-1, keepdim=True)
    return (-torch.xlogy(p, p).sum(dim=-1)).exp()


def codebook_usage(counts: Int[Tensor, "group codes"]) -> dict[str, Tensor]:
    """Compute usage and perplexity of a codebook shared by several groups.

    Returns:
        `usage`: fraction of the codes used by any group, in [0, 1];
        `perplexity`: perplexity of the counts pooled over groups, in [1, codes];
        `group_usage`: product over groups of the usage of each, the fraction of all tuples of codes
        that can occur; `group_perplexity`: mean over groups. With one group both pairs agree.

    Raises:
        ValueError: all counts are zero.

    Example:
        >>> scores = codebook_usage(torch.tensor([[5, 5, 0, 0], [0, 0, 2, 2]]))
        >>> [round(scores[name].item(), 3) for name in ("usage", "group_usage")]
        [1.0, 0.25]
    """
    if not counts.any():
        raise ValueError("no codes were counted: give some codes before asking for their usage")
    return {
        "usage": counts.any(dim=0).double().mean(),
        "perplexity": perplexity(counts.sum(dim=0)),
        "group_usage": (counts > 0).double().mean(dim=1).prod(),
        "group_perplexity": perplexity(counts).mean(),
    }


class CodebookUsage(Metric):
    """`codebook_usage` of all codes seen on all ranks.

    Args:
        codes: size of the codebook.
        groups: number of codes per token.

    Example:
        >>> metric = CodebookUsage(codes=8)
        >>> metric.update(torch.arange(4).reshape(1, 2, 2, 1))
        >>> metric.compute()["usage"].item()
        0.5
    """

    full_state_update = False

    def __init__(self, codes: int, groups: int = 1) -> None:
        super().__init__()
        counts = torch.zeros(groups, codes, dtype=torch.long)
        self.add_state("counts", default=counts, dist_reduce_fx="sum")

    def update(self, codes: Int[Tensor, "batch *grid group"]) -> None:
        """Count codes; raises ValueError on another number of groups or a code out of range."""
        groups, size = self.counts.shape
        if codes.shape[-1] != groups:
            raise ValueError(f"expected {groups} groups on the last axis, got {codes.shape[-1]}")
        if codes.numel() and not 0 <= codes.min() <= codes.max() < size:
            found = f"{int(codes.min())} to {int(codes.max())}"
            raise ValueError(f"a codebook of {size} has codes 0 to {size - 1}, got {found}")
        offset = torch.arange(groups, device=codes.device) * size
        self.counts += torch.bincount(
            (codes.long() + offset).flatten(), minlength=groups * size
        ).reshape(groups, size)

    def compute(self) -> dict[str, Tensor]:
        return codebook_usage(self.counts)
