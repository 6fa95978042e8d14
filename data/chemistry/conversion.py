"""Conversions between atoms in arrays and RDKit's molecules."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor

from data.files.errors import DataError

__all__ = ["Mol", "heavy", "largest_fragment", "quiet", "sanitized", "to_mols"]

Mol = Any
"""RDKit's `Chem.Mol`. RDKit is imported when it is first used, which takes a while."""


def to_mols(
    numbers: Int64[Tensor, "b n"],
    orders: Int64[Tensor, "b n n"],
    positions: Float[Tensor, "b n 3"] | None = None,
) -> list[Mol]:
    """Build molecules of these atoms and bonds, unchecked: valences may be impossible.

    Args:
        numbers: atomic numbers; occupied places come first, empty ones hold 0.
        orders: of the bonds, symmetric.
        positions: of one conformer each, Angstrom; None for none.

    Raises:
        DataError: a molecule has no atom.
    """
    from rdkit import Chem

    sizes = (numbers > 0).sum(1)
    if not sizes.all():
        raise DataError(
            f"a molecule needs an atom, and number {sizes.argmin().item()} of {len(sizes)} has none"
        )
    kinds = [None, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE]
    found = [Chem.RWMol() for _ in range(len(numbers))]
    for molecule, size, row in zip(found, sizes.tolist(), numbers.tolist(), strict=True):
        for number in row[:size]:
            molecule.AddAtom(Chem.Atom(number))
    bonds = orders.triu(1).nonzero()
    order = orders[bonds[:, 0], bonds[:, 1], bonds[:, 2]]
    for (molecule, i, j), one in zip(bonds.tolist(), order.tolist(), strict=True):
        found[molecule].AddBond(i, j, kinds[one])
    if positions is not None:
        for molecule, row in zip(found, positions.double().cpu().numpy(), strict=True):
            conformer = Chem.Conformer(molecule.GetNumAtoms())
            conformer.Set3D(True)
            conformer.SetPositions(row[: molecule.GetNumAtoms()].copy())
            molecule.AddConformer(conformer, assignId=True)
    return found


def sanitized(molecule: Mol) -> Mol | None:
    """Return a copy that RDKit has sanitised, with its hydrogens; None if it is chemically invalid.

    An atom with fewer bonds than its valence is no fault: RDKit gives it implicit hydrogens.
    """
    from rdkit import Chem

    copy = Chem.Mol(molecule)
    try:
        Chem.SanitizeMol(copy)
    except ValueError:  # all of RDKit's sanitisation errors are
        return None
    return copy


def largest_fragment(molecule: Mol) -> tuple[str, int] | None:
    """SMILES of the largest fragment, and the number of fragments; None if the molecule is invalid.

    Hydrogens are written as atoms, as Hoogeboom et al. (2022) compare molecules. Of fragments of
    one size the first is the largest.
    """
    from rdkit import Chem

    whole = sanitized(molecule)
    if whole is None:
        return None
    parts = len(Chem.GetMolFrags(whole))
    if parts > 1:
        each = Chem.GetMolFrags(whole, asMols=True)
        whole = max(each, key=lambda part: part.GetNumAtoms())
    return Chem.MolToSmiles(whole), parts


def heavy(molecules: Iterable[Mol | None]) -> list[Mol]:
    """Leave out hydrogens, which are then implicit, and molecules that are invalid.

    Args:
        molecules: sanitised, None for invalid ones.
    """
    from rdkit import Chem

    return [Chem.RemoveHs(one) for one in molecules if one is not None]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence RDKit's messages about invalid molecules, of which samples may be full."""
    from rdkit import rdBase

    with rdBase.BlockLogs():
        yield
