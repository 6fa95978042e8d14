"""Fragments that generated molecules are to keep."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from data.batch import Batch
from data.chemistry.conversion import Mol, quiet
from data.chemistry.elements import atomic_numbers
from data.files.errors import DataError
from data.molecules.dataset import Layout
from data.molecules.encoding import Atoms, encode

__all__ = ["known_part", "read_fragment", "restored"]


def known_part(path: Path, layout: Layout) -> Batch:
    """A fragment as the first atoms of one molecule: `known`, written as `x`, and `kept`, its mask.

    Raises:
        DataError: it cannot be read, has other elements, or leaves no atom to generate.
    """
    numbers, positions = read_fragment(path)
    if foreign := set(numbers[0].tolist()) - set(atomic_numbers(layout.elements)):
        raise DataError(
            f"{path} has an atom of atomic number {min(foreign)}, and these molecules consist of "
            f"{', '.join(layout.elements)}"
        )
    empty = layout.places - numbers.shape[1]
    if empty < 1:
        raise DataError(
            f"{path} has {numbers.shape[1]} atoms, and these molecules at most {layout.places}: "
            f"nothing would be left to generate"
        )
    atoms = Atoms(F.pad(numbers, (0, empty)), F.pad(positions, (0, 0, 0, empty)))
    known = encode(atoms, layout.elements, layout.charged)
    return {"known": known, "kept": atoms.numbers > 0}


def restored(
    x: Float[Tensor, "b places f"],
    known: Float[Tensor, "b places f"],
    kept: Bool[Tensor, "b places"],
) -> Float[Tensor, "b places f"]:
    """Molecules with the fragment's own types and distances, where it lies in them."""
    kept = kept[..., None]
    centre = torch.where(kept, x - known, 0)[..., :3].sum(1, keepdim=True) / kept.sum(1)[:, None]
    moved = torch.cat([known[..., :3] + centre, known[..., 3:]], -1)
    return torch.where(kept, moved, x)


def read_fragment(path: Path) -> Atoms:
    """Read all atoms of the one molecule, a batch of one, of an SDF or XYZ file.

    Raises:
        DataError: the file is missing or cannot be read, holds another number of molecules, has no
            atoms or unknown elements, or positions that are not finite numbers in space.
    """
    from rdkit import Chem

    def sdf(text: str) -> list[Mol | None]:
        supplier = Chem.SDMolSupplier()
        supplier.SetData(text, sanitize=False, removeHs=False)
        return list(supplier)

    readers = {".sdf": sdf, ".xyz": lambda text: [Chem.MolFromXYZBlock(text)]}
    if path.suffix.lower() not in readers:
        raise DataError(f"a fragment is read from a file .sdf or .xyz, got {path}")
    try:
        with quiet():
            return _fragment(readers[path.suffix.lower()](path.read_text()))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} holds no fragment to keep: {error}") from error


def _fragment(molecules: list[Mol | None]) -> Atoms:
    if len(molecules) != 1:
        raise ValueError(f"it should be one molecule, got {len(molecules)}")
    (molecule,) = molecules
    if molecule is None:
        raise ValueError("RDKit cannot read it; elements must exist, and coordinates be numbers")
    if not molecule.GetNumAtoms() or not molecule.GetConformer().Is3D():
        raise ValueError("it has no atoms, or no positions in space")
    positions = molecule.GetConformer().GetPositions()
    if not np.isfinite(positions).all():
        raise ValueError("its positions are NaN or infinite")
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    return Atoms(torch.tensor([numbers]), torch.from_numpy(positions).float()[None])
