"""Ways between two data, through the noise that they are inverted to."""

import torch
from jaxtyping import Float
from torch import Tensor

from data import Batch
from ldm.analysis.inversion import Encoding, invert, resample
from ldm.run.parts import Parts
from ldm.spaces import Space
from ldm.tensors import like

__all__ = ["between", "interpolate"]


def between(
    space: Space, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], share: float
) -> Float[Tensor, "n ..."]:
    """Points a share of the way from `x` to `y`, as typical of the base distribution as they are.

    Along the geodesic on curved spaces; along the great circle in flat ones, where a straight line
    would leave the shell that normal noise lies on (Song et al. 2021, DDIM, appendix D.5).

    Example:
        >>> from ldm.spaces import Flat
        >>> between(Flat([2]), torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]), 0.5)
        tensor([[1.4142, 1.4142]])
    """
    if not space.linear:
        return space.exp(x, share * space.log(x, y))
    product = space.inner(x, x, y) / (space.inner(x, x, x) * space.inner(x, y, y)).sqrt()
    angle = product.clamp(-1, 1).arccos().clamp(min=1e-6)
    first, second = torch.sin((1 - share) * angle), torch.sin(share * angle)
    return like(first / torch.sin(angle), x) * x + like(second / torch.sin(angle), x) * y


def interpolate(parts: Parts, first: Encoding, second: Encoding, steps: int) -> Batch:
    """Data on the way from each of the first to each of the second, both ends among them.

    Args:
        parts: with a prior that has a process.
        first: encodings of `n` data, whose labels and masks all of the way is told.
        second: of as many.
        steps: how many data a way has.

    Returns:
        A batch of `n * steps` data, one way after another.
    """
    x, y = invert(parts, first), invert(parts, second)
    space = parts.prior.space.on(first.told)
    shares = torch.linspace(0, 1, steps).tolist()
    ways = [resample(parts, between(space, x, y, share), first.told)[0] for share in shares]
    return {key: torch.stack([way[key] for way in ways], 1).flatten(0, 1) for key in ways[0]}
