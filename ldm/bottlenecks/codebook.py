"""What all learned codebooks share: how they start, their loss, and how much of them is used."""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["fill_codebook", "join", "quantization_loss", "snap", "split", "usage"]


@torch.no_grad()
def fill_codebook(codebook: Float[Tensor, "v d"], init: str) -> None:
    """Start a codebook, in place.

    Args:
        codebook: to be filled.
        init: "uniform" within 1/v of zero (van den Oord et al. 2017), "symmetric": uniform within
            one of zero, or "sphere": uniform on the unit sphere.

    Raises:
        ValueError: another `init`.
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
    """Channels last and cut into groups, `(batch, *grid, groups, d)`: channel g d + k is (g, k)."""
    return rearrange(h, "b (g d) ... -> b ... g d", g=groups)


def join(rows: Float[Tensor, "..."]) -> Float[Tensor, "batch channels *grid"]:
    """The inverse of `split`."""
    return rearrange(rows, "b ... g d -> b (g d) ...")


def snap(u: Float[Tensor, "..."], q: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Straight through: the values of `q`, bit for bit, and the gradient to `u`.

    The usual u + sg[q - u] has the same gradient, but rounds away from `q`.
    """
    return q.detach() + (u - u.detach())


def quantization_loss(
    u: Float[Tensor, "*shape"], q: Float[Tensor, "*shape"], codebook: float, commitment: float
) -> Float[Tensor, ""]:
    """codebook <(q - sg u)^2> + commitment <(sg q - u)^2>, means over all elements."""
    return (
        codebook * (q - u.detach()).square().mean() + commitment * (q.detach() - u).square().mean()
    )


def usage(codes: Int[Tensor, "..."], vocabulary: int) -> dict[str, Tensor]:
    """How a batch spreads over the codebook, all groups pooled.

    Returns:
        `usage`, the share of codes that occur, in [0, 1], and `perplexity`, the exponential of
        the entropy of their frequencies, in [1, vocabulary].
    """
    codes = codes.flatten()
    counts = torch.zeros(vocabulary, device=codes.device)
    counts.scatter_add_(0, codes, torch.ones_like(codes, dtype=counts.dtype))
    frequency = counts / len(codes)
    return {
        "usage": (counts > 0).float().mean(),
        "perplexity": torch.special.entr(frequency).sum().exp(),
    }
