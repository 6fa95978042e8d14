"""Files of molecules: SDF, XYZ and SMILES."""

from collections.abc import Sequence
from pathlib import Path

from data.chemistry.conversion import Mol, sanitized
from data.files.whole import write_whole

__all__ = ["write_molecules"]


def write_molecules(folder: Path, molecules: Sequence[Mol], name: str = "molecules") -> None:
    """Write `<name>.sdf`, `<name>.xyz`, and `<name>.smi` of the valid molecules.

    Molecules are numbered from 0; the number is the title in SDF and XYZ, and the second column of
    the SMILES file. SDF holds invalid molecules, too: read it with `sanitize=False` to have all.

    Args:
        folder: created if it is missing.
        molecules: with a conformer each.
        name: of the files.
    """
    from rdkit import Chem

    def sdf(path: Path) -> None:
        with Chem.SDWriter(str(path)) as writer:
            writer.SetKekulize(False)
            for number, molecule in enumerate(molecules):
                molecule.UpdatePropertyCache(strict=False)
                molecule.SetProp("_Name", str(number))
                writer.write(molecule)

    def xyz(path: Path) -> None:
        path.write_text("".join(map(Chem.MolToXYZBlock, molecules)))

    def smiles(path: Path) -> None:
        lines = (
            f"{Chem.MolToSmiles(Chem.RemoveHs(valid))}\t{number}\n"
            for number, molecule in enumerate(molecules)
            if (valid := sanitized(molecule)) is not None
        )
        path.write_text("".join(lines))

    for end, write in {"sdf": sdf, "xyz": xyz, "smi": smiles}.items():
        write_whole(folder / f"{name}.{end}", write)
