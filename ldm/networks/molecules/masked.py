"""Functions that networks on masked point sets share: masks, means, properties of a whole set."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["centred", "features_of_all", "occupied"]


def occupied(
    x: Float[Tensor, "b places d"], mask: Bool[Tensor, "b places"] | None
) -> Bool[Tensor, "b places"]:
    """The mask, or that of sets without empty places."""
    return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask


def centred(
    x: Float[Tensor, "b places d"], mask: Bool[Tensor, "b places"]
) -> Float[Tensor, "b places d"]:
    """The vectors less the mean of those that are there; zeros elsewhere."""
    there = mask.unsqueeze(-1)
    x = torch.where(there, x, 0)
    mean = x.sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp(min=1)
    return torch.where(there, x - mean, 0)


def features_of_all(
    x: Float[Tensor, "b places d"], properties: int, told: Float[Tensor, "b ..."] | None
) -> Float[Tensor, "b places properties"]:
    """A set's properties as features of each of its places.

    Raises:
        ValueError: there are more or fewer of them than `properties`.
    """
    found = 0 if told is None else told.flatten(1).shape[1]
    if found != properties:
        raise ValueError(
            f"the network is built for {properties} properties of a sample, and is told {found}: "
            f"set prior.conditioning.property, or data with such a property"
        )
    if told is None:
        return x.new_zeros(*x.shape[:2], 0)
    return told.flatten(1).to(x.dtype).unsqueeze(1).expand(-1, x.shape[1], -1)
