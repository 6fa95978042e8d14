"""Stability of molecules: whether atoms have a valence of their element.

Source: Satorras et al., "E(n) equivariant normalizing flows", 2021.
"""

from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["stability"]


def stability(
    stable: Bool[Tensor, "n places"], mask: Bool[Tensor, "n places"]
) -> dict[str, Float[Tensor, ""]]:
    """Share of stable atoms among all atoms, and of molecules all of whose atoms are stable.

    Args:
        stable: which atoms are.
        mask: which places are occupied.

    Raises:
        ValueError: there is no atom.

    Example: two molecules of two atoms and one.
        >>> import torch
        >>> mask = torch.tensor([[True, True], [True, False]])
        >>> found = stability(torch.tensor([[True, False], [True, False]]), mask)
        >>> [round(value.item(), 3) for value in found.values()]
        [0.667, 0.5]
    """
    if not mask.any():
        raise ValueError("stability needs an atom, got none")
    return {
        "atom_stability": stable[mask].double().mean(),
        "molecule_stability": (stable | ~mask).all(1).double().mean(),
    }
