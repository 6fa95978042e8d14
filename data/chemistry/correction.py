"""Correction of generated graphs of atoms to molecules that are chemically valid.

Source: Zang and Wang, "MoFlow", 2020, section 3.4, by which GDSS and GLAD are scored, too.
"""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from data.chemistry.conversion import Mol, quiet
from data.chemistry.kekulized import to_charged_mols

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

    orders, largest = orders.clone(), torch.zeros_like(numbers, dtype=torch.bool)
    with quiet():
        for row, molecule in enumerate(to_charged_mols(numbers, orders)):
            while (atom := _overfull(molecule)) is not None:
                other = int(orders[row, atom].argmax())
                orders[row, atom, other] -= 1
                orders[row, other, atom] -= 1
                (molecule,) = to_charged_mols(numbers[row, None], orders[row, None])
            largest[row, list(max(Chem.GetMolFrags(molecule), key=len))] = True
    return orders, largest


def _overfull(molecule: Mol) -> int | None:
    """The first atom that has more bonds than its element may have."""
    from rdkit import Chem

    problems = Chem.DetectChemistryProblems(molecule)
    found = [one.GetAtomIdx() for one in problems if one.GetType() == "AtomValenceException"]
    return min(found, default=None)
