"""Molecules as graphs of heavy atoms with whole bond orders, to and from RDKit."""

from typing import NamedTuple

from jaxtyping import Int64
from torch import Tensor

from data.chemistry.conversion import Mol, to_mols
from data.files.errors import DataError

__all__ = ["CHARGED", "Kekulized", "from_smiles", "to_charged_mols"]

CHARGED = {7: 4, 8: 3}
"""Sums of bond orders at which nitrogen and oxygen carry a charge of +1, by atomic number."""


class Kekulized(NamedTuple):
    """Heavy atoms and their bonds.

    Attributes:
        numbers: atomic number of each atom.
        bonds: first atom, second atom and order of each bond.
    """

    numbers: list[int]
    bonds: list[tuple[int, int, int]]


def from_smiles(smiles: str) -> Kekulized:
    """Read a molecule, with alternating bonds in aromatic rings; charges and stereo are dropped.

    Raises:
        DataError: RDKit cannot read it.

    Example:
        >>> from_smiles("C=O")
        Kekulized(numbers=[6, 8], bonds=[(0, 1, 2)])
    """
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise DataError(f"{smiles!r} is no molecule that RDKit can read: mend or remove it")
    Chem.Kekulize(molecule, clearAromaticFlags=True)
    return Kekulized(
        [atom.GetAtomicNum() for atom in molecule.GetAtoms()],
        [
            (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), int(bond.GetBondTypeAsDouble()))
            for bond in molecule.GetBonds()
        ],
    )


def to_charged_mols(numbers: Int64[Tensor, "b n"], orders: Int64[Tensor, "b n n"]) -> list[Mol]:
    """Build molecules, unchecked, whose nitrogen of four bonds and oxygen of three are charged.

    So graphs of published molecules, which hold no charges, are valid again (Zang and Wang,
    "MoFlow", 2020); hydrogens are RDKit's implicit ones.

    Args:
        numbers: atomic numbers; occupied places come first, empty ones hold 0.
        orders: of the bonds, symmetric.

    Raises:
        DataError: a molecule has no atom.
    """
    found, valence = to_mols(numbers, orders), orders.sum(2).tolist()
    for molecule, sums in zip(found, valence, strict=True):
        for atom, bonds in zip(molecule.GetAtoms(), sums, strict=False):
            if CHARGED.get(atom.GetAtomicNum()) == bonds:
                atom.SetFormalCharge(1)
    return found
