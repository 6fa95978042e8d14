"""QM9 in small: its official archive with the files beside it, of ten molecules made up."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from data.chemistry.elements import symbols
from data.molecules.qm9_table import ATOMREF, Table

SIZES = (5, 4, 3, 4, 2, 8, 3, 7, 6, 9)
LEFT_OUT = (3, 12)

ATOMREF_TEXT = "\n".join(
    [
        "# Free atoms",
        *(
            f"{name} {' '.join(map(str, ATOMREF[z]))} "
            for name, z in zip("HCNOF", ATOMREF, strict=True)
        ),
        "=====",
    ]
)
EXCLUSIONS = "\n".join(
    ["3054 molecules", *["="] * 8, *(f"{i} C x 0.1" for i in LEFT_OUT), "====", ""]
)


def expect_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have QM9 expect ten molecules for 130,831, six of them for training."""
    monkeypatch.setattr("data.molecules.qm9_table.MOLECULES", len(SIZES))
    monkeypatch.setattr("data.molecules.qm9_archive.EXCLUDED", len(LEFT_OUT))
    monkeypatch.setattr("data.molecules.qm9.TRAIN", 6)


def small_table() -> Table:
    """Ten molecules of a carbon, a nitrogen and hydrogens, numbered without those left out."""
    draw = np.random.default_rng(0)
    sizes = np.array(SIZES, np.int64)
    numbers = np.concatenate([[6, 7, *[1] * (size - 2)] for size in SIZES]).astype(np.uint8)
    positions = draw.normal(size=(len(numbers), 3)).round(10)
    positions[0, 0] = 1.5e-6  # which the archive writes as 1.5*^-6
    properties = draw.normal(scale=50, size=(len(SIZES), 15)).round(6)
    index = np.array([i for i in range(1, 13) if i not in LEFT_OUT], np.int64)
    return Table(numbers, positions.astype(np.float32), sizes, index, properties)


def member(table: Table, row: int) -> str:
    """One extended XYZ file, as QM9 has it."""
    start = int(table.sizes[:row].sum())
    atoms = slice(start, start + int(table.sizes[row]))
    properties = "\t".join(f"{value:.10g}" for value in table.properties[row])
    lines = [str(table.sizes[row]), f"gdb {table.index[row]}\t{properties}\t"]
    for number, point in zip(table.numbers[atoms].tolist(), table.positions[atoms], strict=True):
        cells = [f"{value:.10g}".replace("e", "*^") for value in point.tolist()]
        lines.append("\t".join([*symbols([number]), *cells, "-0.1"]))
    return "\n".join([*lines, "1341.307\t1562.6731", "C\tC\t", "InChI=1S/CH4/h1H4\t"]) + "\n"


def write_archive(root: Path, **replaced: str) -> Path:
    """Write the official files below a folder, with some members replaced by name."""
    (root / "qm9").mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / "qm9" / "dsgdb9nsd.xyz.tar.bz2", "w:bz2") as tar:
        for name, text in members(small_table()).items():
            content = replaced.get(name.split(".")[0], text).encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    (root / "qm9" / "uncharacterized.txt").write_text(EXCLUSIONS)
    (root / "qm9" / "atomref.txt").write_text(ATOMREF_TEXT)
    return root


def members(table: Table) -> dict[str, str]:
    found = {f"dsgdb9nsd_{i:06d}.xyz": member(table, row) for row, i in enumerate(table.index)}
    odd = member(table, 0).replace("gdb 1\t", "gdb {}\t")
    found |= {f"dsgdb9nsd_{i:06d}.xyz": odd.format(i) for i in LEFT_OUT}
    return dict(sorted(found.items()))
