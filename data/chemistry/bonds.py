"""Bonds by distance, and which atoms have the valence of their element.

Typical bond lengths, margins and valences are those of Hoogeboom et al., "Equivariant diffusion for
molecule generation in 3D", 2022, by which papers on QM9 and GEOM-Drugs score their samples. The
thresholds are crude: a carbon of benzene, all of whose bonds are 1.39 Angstrom long, is unstable.
"""

from functools import cache

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from data.chemistry.elements import ELEMENTS, LARGEST

__all__ = ["bond_orders", "stable_atoms"]

# Lengths in picometres, written once for each pair.
SINGLE = {
    "H": "H74 C109 N101 O96 F92 B119 Si148 P144 As152 S134 Cl127 Br141 I161",
    "C": "C154 N147 O143 F135 Si185 P184 S182 Cl177 Br194 I214",
    "N": "N145 O140 F136 Cl175 Br214 S168 I222 P177",
    "O": "O148 F142 Br172 S151 P163 Si163 Cl164 I194",
    "F": "F142 S158 Si160 Cl166 Br178 P156 I187",
    "B": "Cl175",
    "Si": "Si233 S200 Cl202 Br215 I243",
    "Cl": "Cl199 P203 S207 Br214",
    "S": "S204 Br225 P210 I234",
    "Br": "Br228 P222",
    "P": "P221",
    "I": "I266",
}
DOUBLE = {"C": "C134 N129 O120 S160", "N": "N125 O121", "O": "O121 P150", "P": "S186"}
TRIPLE = {"C": "C120 N116 O113", "N": "N110"}

MARGINS = ((SINGLE, 10), (DOUBLE, 5), (TRIPLE, 3))
"""Tables of lengths, and how much longer a bond of that order may be, picometres."""

VALENCES = {
    "H": (1,),
    "B": (3,),
    "C": (4,),
    "N": (3,),
    "O": (2,),
    "F": (1,),
    "Al": (3,),
    "Si": (4,),
    "P": (3, 5),
    "S": (4,),
    "Cl": (1,),
    "As": (3,),
    "Br": (1,),
    "I": (1,),
    "Hg": (1, 2),
    "Bi": (3, 5),
}
"""Sums of bond orders that make an atom stable. That of sulphur is 4 alone, as published."""


def bond_orders(
    numbers: Int64[Tensor, "b n"], positions: Float[Tensor, "b n 3"]
) -> Int64[Tensor, "b n n"]:
    """Infer bond orders 0 to 3 from distances.

    A pair is bonded if it is closer than the typical single bond and 10 pm, doubly if it is then
    also closer than the double one and 5 pm, triply if then also than the triple one and 3 pm.
    Pairs of elements that are in no table are not bonded.

    Args:
        numbers: atomic numbers, 0 for empty places.
        positions: Angstrom.

    Example: carbon dioxide, whose bonds are 1.162 Angstrom long.
        >>> line = torch.tensor([[[-1.162, 0, 0], [0, 0, 0], [1.162, 0, 0]]])
        >>> bond_orders(torch.tensor([[8, 6, 8]]), line)[0].tolist()
        [[0, 2, 0], [2, 0, 2], [0, 2, 0]]
    """
    exact = positions.double()  # thresholds are strict
    distance = 100 * torch.cdist(exact, exact, compute_mode="donot_use_mm_for_euclid_dist")
    distance.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    limits = _limits().to(numbers.device)  # fall with the order: no pair skips one
    pair = numbers[:, :, None] * limits.shape[-1] + numbers[:, None]
    return sum((distance < limit.flatten()[pair]).long() for limit in limits)


def stable_atoms(
    numbers: Int64[Tensor, "b n"], orders: Int64[Tensor, "b n n"]
) -> Bool[Tensor, "b n"]:
    """Tell which atoms have a valence of their element; empty places have none.

    Args:
        numbers: atomic numbers, 0 for empty places.
        orders: of the bonds.

    Example: methyl, of one hydrogen too few.
        >>> orders = torch.tensor([[[0, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]])
        >>> stable_atoms(torch.tensor([[6, 1, 1, 1]]), orders).tolist()
        [[False, True, True, True]]
    """
    allowed = _allowed().to(numbers.device)
    valence = orders.sum(-1).clamp(max=allowed.shape[1] - 1)
    return allowed[numbers, valence]


@cache
def _limits() -> Float64[Tensor, "3 elements elements"]:
    """Distances below which pairs are bonded at each order, picometres; 0 for none."""
    limits = torch.zeros(3, LARGEST + 1, LARGEST + 1, dtype=torch.float64)
    for limit, (table, margin) in zip(limits, MARGINS, strict=True):
        for first, others in table.items():
            for entry in others.split():
                other = entry.rstrip("0123456789")
                pair = ELEMENTS[first], ELEMENTS[other]
                limit[pair] = limit[pair[::-1]] = int(entry.removeprefix(other)) + margin
    return limits


@cache
def _allowed() -> Bool[Tensor, "elements sums"]:
    """Which sums of bond orders each element may have; the last stands for all above, for none."""
    allowed = torch.zeros(LARGEST + 1, max(map(max, VALENCES.values())) + 2, dtype=torch.bool)
    for name, valences in VALENCES.items():
        allowed[ELEMENTS[name], list(valences)] = True
    return allowed
