"""Random choices of codes, while training: by distance, or among equal rows."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ldm.randomness import Generators, uniform

__all__ = ["among_equal_rows", "by_distance"]


def by_distance(
    tokens: Float[Tensor, "batch *rest d"],
    rows: Float[Tensor, "v d"],
    temperature: float,
    generator: Generators = None,
) -> Int[Tensor, "batch *rest"]:
    """Draw codes with probability proportional to exp(-|token - row|^2 / temperature).

    The largest of logits with Gumbel noise is such a draw. All distances of one sample are held at
    once: tokens times rows.
    """
    drawn = []
    for number, sample in enumerate(tokens.detach().flatten(1, -2)):
        own = generator[number] if isinstance(generator, Sequence) else generator
        logits = -torch.cdist(sample, rows.detach()).square() / temperature
        noise = uniform(logits.shape, own, logits.device, logits.dtype)
        drawn.append((logits - (-noise.log()).log()).argmax(1))
    return torch.stack(drawn).view(tokens.shape[:-1])


def among_equal_rows(
    codes: Int[Tensor, "batch *rest"], rows: Float[Tensor, "v d"], generator: Generators = None
) -> Int[Tensor, "batch *rest"]:
    """Replace each code by a random one of those whose rows equal its own, all equally probable.

    Distances to two different rows are equal with probability zero, so that these are all ties.
    """
    _, kind, count = torch.unique(rows.detach(), dim=0, return_inverse=True, return_counts=True)
    order, first = kind.argsort(stable=True), count.cumsum(0) - count
    own = kind[codes]
    chosen = (uniform(codes.shape, generator, codes.device, torch.float64) * count[own]).long()
    return order[first[own] + chosen]
