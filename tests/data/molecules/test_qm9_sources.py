"""QM9 from its three sources gives one table; damage in each is one message."""

import csv
import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_qm9 import SIZES, member, small_table, write_archive

from data import QM9, DataError
from data.chemistry.elements import symbols
from data.molecules import qm9_sources
from data.molecules.qm9_package import COLUMNS
from data.molecules.qm9_sources import read


def write_npz(root, **changed) -> None:
    table = small_table()
    arrays = {"z": table.numbers, "pos": table.positions, "n_atoms": table.sizes.astype(np.uint8)}
    arrays |= {"index": table.index.astype(np.int32), "properties": table.properties}
    (root / "molecules").mkdir(parents=True)
    np.savez_compressed(root / "molecules" / "qm9.npz", **{**arrays, **changed})


def write_package(folder, elements: str | None = None) -> None:
    """The three tables of qm9pack, of which the last rows come first."""
    table = small_table()
    ends = np.cumsum(table.sizes)
    folder.mkdir(parents=True)
    for part, rows in enumerate(([8, 9], [4, 5, 6, 7], [3, 2, 1, 0]), start=1):
        with (folder / f"qm9_part{part}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["XYZ_file", "Index", "Elements", "XYZ_Ang", *COLUMNS])
            for row in rows:
                atoms = slice(ends[row] - table.sizes[row], ends[row])
                names = ",".join(f"'{name}'" for name in symbols(table.numbers[atoms].tolist()))
                points = ",".join(
                    f"[{','.join(f'{v:.10g}' for v in point)}]"
                    for point in table.positions[atoms].tolist()
                )
                cells = [f"dsgdb9nsd_{table.index[row]:06d}.xyz", table.index[row]]
                cells += [elements or f"[{names}]", f"[{points}]"]
                writer.writerow([*cells, *map(repr, table.properties[row].tolist())])


@pytest.fixture
def package(tmp_path, monkeypatch):
    """`package(...)`: qm9pack as installed, and an empty folder to work in."""

    def install(**damage):
        write_package(tmp_path / "qm9pack" / "data", **damage)
        found = SimpleNamespace(origin=str(tmp_path / "qm9pack" / "__init__.py"))
        real = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: found if name == "qm9pack" else real(name)
        )
        monkeypatch.chdir(tmp_path)

    return install


def same(table) -> bool:
    return all(
        found.dtype == expected.dtype and np.array_equal(found, expected)
        for found, expected in zip(table, small_table(), strict=True)
    )


def test_all_three_sources_give_the_same_table(tmp_path, small, package):
    write_npz(tmp_path / "arrays")
    package()
    assert same(read(str(tmp_path / "arrays")))
    assert same(read(None))
    assert same(read(str(write_archive(tmp_path / "official"))))


def test_the_table_is_cached_and_made_again_from_other_files(tmp_path, small, cache, monkeypatch):
    root = write_archive(tmp_path)
    read(str(root))
    assert len(list(cache.glob("qm9/*.npz"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr(qm9_sources, "read_archive", None)
        assert same(read(str(root)))
    write_archive(root, dsgdb9nsd_000001=member(small_table(), 0).replace("1341", "1342"))
    read(str(root))
    assert len(list(cache.glob("qm9/*.npz"))) == 2


GOOD = member(small_table(), 0)
NO_ATOMS = "\n".join(["0", GOOD.splitlines()[1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"is no molecule of QM9 \(list index out of range\): the archive is damaged"),
        (GOOD[:60], "should have 15 properties, got 4|is no molecule of QM9"),
        ("\n".join(GOOD.splitlines()[:4]), r"is no molecule of QM9 \(2 atoms of 5\)"),
        (GOOD.replace("N\t", "Xe\t"), "has unknown elements 'Xe', and QM9 has H, C, N, O, F"),
        (NO_ATOMS, "has no atoms"),
        (re.sub(r"C\t\S+", "C\tnan", GOOD), "has numbers that are NaN"),
        ("\x00\xff" * 40, "is no molecule of QM9"),
    ],
    ids=["empty", "cut", "fewer", "element", "atoms", "nan", "bytes"],
)
def test_a_damaged_member_is_named(tmp_path, small, text, message):
    root = write_archive(tmp_path, dsgdb9nsd_000001=text)
    with pytest.raises(DataError, match=rf"bz2:dsgdb9nsd_000001\.xyz ({message})"):
        QM9(root=str(root)).setup()


def test_a_missing_or_changed_file_beside_the_archive_is_named(tmp_path, small):
    root = write_archive(tmp_path)
    atomref, exclusions = root / "qm9" / "atomref.txt", root / "qm9" / "uncharacterized.txt"
    text = atomref.read_text()
    atomref.write_text(text.replace("-37.846772", "-38.0"))
    with pytest.raises(DataError, match=r"atomref\.txt should have zpve, U0, .* of C as \(0\.0"):
        read(str(root))
    atomref.unlink()
    with pytest.raises(DataError, match=r"atomref\.txt is at none of .*: set `root` or LDM_DATA"):
        read(str(root))
    atomref.write_text(text)
    exclusions.write_text("nothing")
    with pytest.raises(DataError, match=r"should list 2 molecules to leave out, .* and lists 0"):
        read(str(root))


def test_a_cut_archive_is_refused_and_leaves_no_cache(tmp_path, small, cache):
    path = write_archive(tmp_path) / "qm9" / "dsgdb9nsd.xyz.tar.bz2"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"cannot be unpacked .* fetch it again"):
        read(str(tmp_path))
    assert not list(cache.rglob("*.npz"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pos": small_table().positions[:-1]}, "50 atoms and positions|51 atoms|fetch it again"),
        ({"z": small_table().numbers + 50}, r"atoms of atomic numbers \[51, 56, 57\]"),
        ({"pos": small_table().positions * np.float32(np.nan)}, "positions that are NaN"),
        ({"n_atoms": np.array([0, 9, *SIZES[2:]])}, "no atoms of molecule 1"),
    ],
    ids=["cut", "elements", "nan", "atoms"],
)
def test_damaged_arrays_are_refused(tmp_path, small, changed, message):
    write_npz(tmp_path, **changed)
    with pytest.raises(DataError, match=rf"qm9\.npz .*({message})"):
        read(str(tmp_path))


def test_a_file_that_is_no_npz_or_lacks_an_array_is_refused(tmp_path, small):
    write_npz(tmp_path)
    path = tmp_path / "molecules" / "qm9.npz"
    np.savez(path, z=np.zeros(3))
    with pytest.raises(DataError, match="should hold the arrays z, pos, n_atoms, index, prop"):
        read(str(tmp_path))
    path.write_bytes(b"pixels")
    with pytest.raises(DataError, match="should hold the arrays z, pos"):
        read(str(tmp_path))


def test_a_damaged_row_of_the_package_is_named(small, package):
    package(elements="['C','Xe']")
    with pytest.raises(DataError, match=r"qm9_part1\.csv:2 has unknown elements 'Xe'"):
        read(None)


def test_missing_files_are_downloaded_by_their_checksums(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("data.files.sources.download", lambda *given: asked.append(given))
    qm9_sources.fetch(str(tmp_path))
    assert [path.name for path, _, _ in asked] == [
        *("dsgdb9nsd.xyz.tar.bz2", "uncharacterized.txt", "atomref.txt")
    ]
    assert all(len(sha256) == 64 for _, sha256, _ in asked)
    write_npz(tmp_path)
    qm9_sources.fetch(str(tmp_path))
    assert len(asked) == 3


def test_a_file_of_another_checksum_is_not_kept(tmp_path, small, monkeypatch):
    origin = write_archive(tmp_path / "origin") / "qm9"
    wrong = [
        replace(one, url=(origin / Path(one.path).name).as_uri()) for one in qm9_sources.OFFICIAL
    ]
    monkeypatch.setattr(qm9_sources, "OFFICIAL", wrong)
    with pytest.raises(DataError, match=r"could not download dsgdb9nsd.*SHA-256 .*, expected 3a63"):
        QM9(root=str(tmp_path / "root")).prepare_data()
    assert not [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
