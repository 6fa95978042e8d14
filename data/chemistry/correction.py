"""Correction of generated graphs of atoms to molecules that are chemically valid.

Source: Zang and Wang, "MoFlow", 2020, section 3.4, by which GDSS and GLAD are scored, too.
"""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from data.chemistry.conversion import to_mols
from data.chemistry.kekulized import CHARGED

__all__ = ["correct_valences"]


def correct_valences(
    numbers: Int64[Tensor, "b n"], orders: Int64[Tensor, "b n n"]
) -> tuple[Int64[Tensor, "b n n"], Bool[Tensor, "b n"]]:
    """Lower the highest bond of each atom with too many, by one order at a time, until none has.

    Charges are granted as in `to_charged_mols`; the first atom is corrected first, and of bonds of
    one order the first.

    Args:
        numbers: atomic numbers; occupied places come first, empty ones hold 0.
        orders: of the bonds, symmetric.

    Returns:
        The orders, and which atoms are in the largest piece of each molecule; of pieces of one
        size, the first.

    Raises:
        DataError: a molecule has no atom.

    Example: a carbon of five bonds.
        >>> orders = torch.tensor([[[0, 3, 2], [3, 0, 0], [2, 0, 0]]])
        >>> correct_valences(torch.tensor([[6, 6, 8]]), orders)[0].tolist()
        [[[0, 2, 2], [2, 0, 0], [2, 0, 0]]]
    """
    from rdkit import Chem

    orders, limits = orders.clone(), _limits(numbers)
    while True:
        overfull = orders.sum(2) > limits
        (rows,) = overfull.any(1).nonzero(as_tuple=True)
        if not len(rows):
            break
        atoms = overfull[rows].int().argmax(1)
        others = orders[rows, atoms].argmax(1)
        orders[rows, atoms, others] -= 1
        orders[rows, others, atoms] -= 1
    largest = torch.zeros_like(numbers, dtype=torch.bool)
    for row, molecule in enumerate(to_mols(numbers, orders)):
        largest[row, list(max(Chem.GetMolFrags(molecule), key=len))] = True
    return orders, largest


def _limits(numbers: Int64[Tensor, "b n"]) -> Int64[Tensor, "b n"]:
    """The largest sum of bond orders that RDKit takes of each atom, with a charge if granted."""
    from rdkit import Chem

    table, limits = Chem.GetPeriodicTable(), torch.zeros_like(numbers)
    for number in numbers.unique().tolist():
        if number:
            most = max(*table.GetValenceList(number), CHARGED.get(number, 0))
            limits[numbers == number] = most
    return limits
