"""Shared functions of learned codebooks: initialisation, loss and usage statistics."""

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

__all__ = ["fill_codebook", "join", "quantization_loss", "snap", "split", "usage"]


@torch.no_grad()
def fill_codebook(codebook: Float[Tensor, "v d"], init: str) -> None:
    """Initialise a codebook in place.

    Args:
        codebook: filled with random rows.
        init: "uniform" in [-1/v, 1/v] (van den Oord et al. 2017), "symmetric": uniform in [-1, 1],
            or "sphere": uniform on the unit sphere.

    Raises:
        ValueError: an unknown `init`.
    """
    if init == "uniform":
        codebook.uniform_(-1 / len(codebook), 1 / len(codebook))
    elif init == "symmetric":
        codebook.uniform_(-1, 1)
    elif init == "sphere":
        codebook.copy_(nn.functional.normalize(codebook.normal_(), dim=1))
    else:
        raise ValueError(f'init is "uniform", "symmetric" or "sphere", got {init!r}')


def split(h: Float[Tensor, "batch channels *grid"], groups: int) -> Float[Tensor, "..."]:
    """Split channels into groups, `(batch, *grid, groups, d)`: channel g d + k becomes (g, k)."""
    return rearrange(h, "b (g d) ... -> b ... g d", g=groups)


def join(rows: Float[Tensor, "..."]) -> Float[Tensor, "batch channels *grid"]:
    """Invert `split`."""
    return rearrange(rows, "b ... g d -> b (g d) ...")


def snap(
    u: Float[Tensor, "*rows d"], q: Float[Tensor, "*rows d"], rotation: bool = False
) -> Float[Tensor, "*rows d"]:
    """Return exactly the values of `q`, with a gradient that is passed to `u`.

    It is passed unchanged (the straight-through estimator; the usual u + sg[q - u] has the same
    gradient but differs from `q` by rounding), or as if q were a fixed rotation and scaling of u
    (Fifty et al., "Restructuring Vector Quantization with the Rotation Trick", 2025, section 4).

    Args:
        u: before quantisation.
        q: after.
        rotation: pass the gradient through the rotation, within the last axis.
    """
    change = u - u.detach()
    return q.detach() + (_rotated(change, u.detach(), q.detach()) if rotation else change)


def _rotated(change: Tensor, u: Tensor, q: Tensor) -> Tensor:
    """Apply to `change` what takes `u` to `q`: two reflections, and a scaling."""
    length = u.norm(dim=-1, keepdim=True)
    one, other = (nn.functional.normalize(x, dim=-1) for x in (u, q))
    middle = nn.functional.normalize(one + other, dim=-1)
    along_middle, along_one = ((change * x).sum(-1, keepdim=True) for x in (middle, one))
    rotated = change - 2 * along_middle * middle + 2 * along_one * other
    ratio = q.norm(dim=-1, keepdim=True) / length.where(length > 0, 1)
    return torch.where(length > 0, ratio * rotated, change)  # zero has no direction


def quantization_loss(
    u: Float[Tensor, "*shape"], q: Float[Tensor, "*shape"], codebook: float, commitment: float
) -> Float[Tensor, ""]:
    """Loss `codebook <(q - sg u)^2> + commitment <(sg q - u)^2>`, means over all elements."""
    return (
        codebook * (q - u.detach()).square().mean() + commitment * (q.detach() - u).square().mean()
    )


def usage(
    codes: Int[Tensor, "..."], vocabulary: int, counted: Bool[Tensor, "..."] | None = None
) -> dict[str, Tensor]:
    """Codebook usage of a batch, with all groups pooled.

    Args:
        codes: of the batch.
        vocabulary: number of rows of the codebook.
        counted: of which codes, in the shape of `codes`; None for all.

    Returns:
        `usage`, the fraction of codes that occur, in [0, 1], and `perplexity`, the exponential of
        the entropy of code frequencies, in [1, vocabulary].
    """
    codes = codes.flatten()
    counts = torch.zeros(vocabulary, device=codes.device)
    ones = counts.new_ones(1).expand_as(codes) if counted is None else counted.flatten().float()
    counts.scatter_add_(0, codes, ones)
    # The sum of n log n over codes, or of log n over what has them, whichever are fewer.
    few = vocabulary < len(codes)
    logs = counts.xlogy(counts) if few else ones * counts.gather(0, codes).clamp(min=1).log()
    number = ones.sum()
    return {
        "usage": counts.clamp(max=1).sum() / vocabulary,
        "perplexity": (number.log() - logs.sum() / number).exp(),
    }
