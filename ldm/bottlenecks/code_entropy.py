"""Entropies of random bits: of each token's code, and of the codes of a batch.

Sources: Yu et al., "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation", 2024,
section 3.1; Zhao et al., "Image and Video Tokenization with Binary Spherical Quantization", 2024,
section 3.2.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

__all__ = ["code_entropy", "token_entropy"]


def token_entropy(logits: Float[Tensor, "tokens bits"]) -> Float[Tensor, ""]:
    """Mean entropy of a token's independent bits, in nats.

    Args:
        logits: log odds of each bit.
    """
    return (softplus(logits) - logits * logits.sigmoid()).sum(1).mean()


def code_entropy(logits: Float[Tensor, "tokens bits"], together: int) -> Float[Tensor, ""]:
    """Entropy of the mean distribution of codes over all tokens, in nats.

    The mean of products of independent bits is one matrix product of the halves' distributions, so
    that 2^18 codes cost what 2^9 would in a table of tokens and codes.

    Args:
        logits: log odds of each bit.
        together: bits whose joint distribution is taken; the entropies of such groups are added,
            which bounds the entropy of whole codes from above.
    """
    groups = logits.unflatten(1, (-1, together)).movedim(1, 0)
    device = "cpu" if logits.is_meta else logits.device.type
    with torch.autocast(device, enabled=False):  # products are in full precision
        first, second = (_products(half) for half in groups.tensor_split([together // 2], dim=2))
        mean = first.mT @ second / len(logits)
    # The slope of the entropy is infinite at 0, to which the probability of a code may be rounded.
    return torch.special.entr(mean.clamp(min=torch.finfo(mean.dtype).tiny)).sum()


def _products(
    logits: Float[Tensor, "groups tokens bits"],
) -> Float[Tensor, "groups tokens codes"]:
    """Probability of every value of a few independent bits."""
    ones = torch.arange(2 ** logits.shape[2], device=logits.device)
    ones = ones >> torch.arange(logits.shape[2], device=logits.device)[:, None] & 1
    ones = ones.to(logits.dtype)
    return (logsigmoid(logits) @ ones + logsigmoid(-logits) @ (1 - ones)).exp()
