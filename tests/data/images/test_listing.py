"""Listings: links that loop or lead nowhere, pipes, and folders that cannot be read."""

import os

import pytest

from data.files.errors import DataError
from data.images.listing import list_images, subfolder


def test_linked_classes_and_images_are_listed(pictures, tmp_path, picture):
    (pictures / "train" / "wolf").symlink_to(picture(tmp_path / "far" / "0.png").parent)
    (pictures / "train" / "cat" / "9.png").symlink_to(pictures / "test" / "cat" / "0.png")
    listing = list_images(pictures / "train")
    assert len(listing.names) == 8
    assert set(listing.classes) == {"cat", "dog", "wolf"}


@pytest.mark.parametrize("target", [".", "..", "../..", "../dog"])
def test_a_folder_that_would_be_listed_twice_is_refused(pictures, target):
    (pictures / "train" / "cat" / "again").symlink_to(target)
    with pytest.raises(DataError, match=r"are one folder: remove the link"):
        list_images(pictures / "train")


@pytest.mark.parametrize("name", ["wolf", "9.png"])
def test_a_link_to_nothing_is_named(pictures, name):
    (pictures / "train" / "cat" / name).symlink_to("nowhere")
    with pytest.raises(DataError, match=rf"cat/{name} is a link to what is not there"):
        list_images(pictures)


def test_a_pipe_is_refused_rather_than_waited_for(pictures):
    os.mkfifo(pictures / "train" / "cat" / "9.png")
    with pytest.raises(DataError, match=r"cat/9\.png is not a file but a pipe"):
        list_images(pictures)


def test_a_class_that_cannot_be_read_does_not_vanish(pictures, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DataError, match=r"dog cannot be listed \(Permission denied\): make it"):
        list_images(pictures / "train")


def test_hidden_files_are_passed_over(pictures):
    (pictures / "train" / "cat" / "._0.png").write_text("of another system")
    assert len(list_images(pictures / "train").names) == 6


def test_folders_are_found_in_upper_and_lower_case(tmp_path):
    (tmp_path / "Train" / "Data").mkdir(parents=True)
    assert subfolder(tmp_path, "train/data") == tmp_path / "Train" / "Data"
    assert subfolder(tmp_path, "test") is None
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="holds Train and train: keep one of them"):
        subfolder(tmp_path, "train")
