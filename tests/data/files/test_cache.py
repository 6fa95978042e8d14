"""Cached files: made once, read again, and named when they are damaged."""

import hashlib

import pytest

from data.files.cache import cached, content_key
from data.files.errors import DataError


def test_keys_are_the_first_digits_of_the_sha256_of_all_parts():
    expected = hashlib.sha256(b"a\xc3\xa9b").hexdigest()[:16]
    assert content_key("aé", b"b") == expected


def test_a_file_is_made_once(tmp_path):
    path, made = tmp_path / "new" / "x.txt", []

    def make(part):
        made.append(part)
        part.write_text("3")

    for _ in range(2):
        assert cached(path, make, lambda file: int(file.read_text())) == 3
    assert len(made) == 1


def test_a_damaged_file_is_named_with_what_to_do(tmp_path):
    (tmp_path / "x.txt").write_text("three")
    message = r"x\.txt is damaged \(invalid literal .*\): delete it, and it is made again"
    with pytest.raises(DataError, match=message):
        cached(tmp_path / "x.txt", pytest.fail, lambda file: int(file.read_text()))
