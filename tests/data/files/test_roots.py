"""Folders of data and caches: which environment variables name them, and home folders unknown."""

import os
from pathlib import Path

import pytest

from data.files.errors import DataError
from data.files.roots import cache_folder, expanded, find


def test_an_empty_name_of_the_cache_is_not_the_working_folder(monkeypatch):
    monkeypatch.setenv("LDM_CACHE", "")
    assert cache_folder() == Path("~/.cache/ldm").expanduser()


def test_a_home_folder_that_is_not_known_is_one_message(monkeypatch):
    monkeypatch.setenv("LDM_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(DataError, match=r"~nobody-of-this-name/cache cannot be .*: set HOME"):
        cache_folder()
    monkeypatch.delenv("LDM_CACHE")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}["a user without an entry"])
    with pytest.raises(DataError, match=r"~/\.cache/ldm cannot be .*: set HOME"):
        cache_folder()


def test_home_folders_are_found(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert expanded("~/pets") == Path("/home/ada/pets")


def test_a_pipe_is_not_found(tmp_path):
    os.mkfifo(tmp_path / "fire.csv")
    assert find(str(tmp_path), "fire.csv") is None
