"""How atoms are written in `x`, and read from it."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from data.chemistry.elements import atomic_numbers

__all__ = ["Atoms", "decode", "encode", "harden"]

Numbers = Int64[Tensor, "b places"]
Positions = Float[Tensor, "b places 3"]


class Atoms(NamedTuple):
    """Atoms of a batch of molecules.

    Attributes:
        numbers: atomic numbers, 0 for empty places, `(b, places)`.
        positions: Angstrom, zero at empty places, `(b, places, 3)`.
    """

    numbers: Numbers
    positions: Positions


def encode(atoms: Atoms, elements: Sequence[str], charged: bool) -> Float32[Tensor, "b places f"]:
    """Write atoms as positions, one-hot types and, if `charged`, atomic numbers.

    Positions are moved to zero centre of mass, all atoms being of one mass.

    Args:
        atoms: whose elements are all in `elements`.
        elements: symbols in the order of the types.
        charged: whether atomic numbers are a feature.
    """
    numbers, positions = atoms
    mask = (numbers > 0)[..., None]
    centre = (positions * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
    known = torch.tensor(atomic_numbers(elements), device=numbers.device)
    parts = [torch.where(mask, positions - centre, 0), numbers[..., None] == known]
    parts += [numbers[..., None]] if charged else []
    return torch.cat([part.float() for part in parts], dim=-1)


def decode(
    x: Float[Tensor, "b places f"], mask: Bool[Tensor, "b places"], elements: Sequence[str]
) -> Atoms:
    """Read atoms: the most likely type at each occupied place. Atomic numbers are not read."""
    known = torch.tensor(atomic_numbers(elements), device=x.device)
    numbers = known[x[..., 3 : 3 + len(elements)].argmax(-1)]
    return Atoms(torch.where(mask, numbers, 0), torch.where(mask[..., None], x[..., :3], 0))


def harden(
    x: Float[Tensor, "b places f"], mask: Bool[Tensor, "b places"], elements: Sequence[str]
) -> Float[Tensor, "b places f"]:
    """Make generated features those of a molecule: one-hot types, whole numbers, empty padding."""
    end = 3 + len(elements)
    hot = torch.nn.functional.one_hot(x[..., 3:end].argmax(-1), len(elements)).to(x)
    return torch.cat([x[..., :3], hot, x[..., end:].round()], dim=-1) * mask[..., None]
