"""Folders that hold what was written into them last, also after an interruption."""

import json

import pytest

from data import DataError
from data.files.exact import RECORD, check_exact, write_exact


def write(*names):
    """Write files that hold their own names."""

    def into(folder):
        for name in names:
            (folder / name).write_text(name)

    return into


def contents(folder):
    return {path.name for path in folder.iterdir()}


def test_files_of_an_earlier_call_are_replaced_or_removed(tmp_path):
    folder = tmp_path / "new" / "drawn"
    write_exact(folder, write("a", "b"), seed=1)
    write_exact(folder, write("b", "c"), seed=2)
    assert contents(folder) == {"b", "c", RECORD}
    assert json.loads((folder / RECORD).read_text()) == {"seed": 2, "files": ["b", "c"]}
    assert contents(tmp_path / "new") == {"drawn"}


def test_files_of_others_are_refused_and_stay(tmp_path):
    write_exact(tmp_path, write("a"))
    (tmp_path / ".hidden").write_text("")
    check_exact(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds 1 files that were not drawn into it, notes\.txt"):
        write_exact(tmp_path, write("b"))
    assert contents(tmp_path) == {"a", RECORD, ".hidden", "notes.txt"}
    (tmp_path / "notes.txt").unlink()
    (tmp_path / RECORD).write_text("{")  # cut: nothing says whose the files are
    with pytest.raises(DataError, match="not drawn into it, a first"):
        check_exact(tmp_path)


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_an_interrupted_call_is_repeated(tmp_path, monkeypatch, moves):
    write_exact(tmp_path, write("a", "b"))

    left = ["move"] * moves

    def interrupted(source, target):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        source.replace(target)

    with monkeypatch.context() as patch:
        patch.setattr("data.files.exact.shutil.move", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_exact(tmp_path, write("b", "c", "d"))
    check_exact(tmp_path)
    write_exact(tmp_path, write("b", "c", "d"))
    assert contents(tmp_path) == {"b", "c", "d", RECORD}


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    write_exact(tmp_path / "link", write("a"))
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path / "disk") == {"a", RECORD}
