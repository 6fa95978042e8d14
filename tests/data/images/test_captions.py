"""Captions: read with their images, and refused where one is missing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files.errors import DataError
from data.images.captions import as_strings, as_text, read_captions
from data.images.listing import list_images

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(texts, min_size=1, max_size=5))
def test_text_is_decoded_as_it_was_encoded(captions):
    width = max(len(caption.encode()) for caption in captions) + 2
    assert as_strings(as_text(captions, width)) == captions


@pytest.fixture
def cats(tmp_path, picture):
    for number in range(2):
        picture(tmp_path / "cats" / f"{number}.png")
    return tmp_path / "cats"


def read(folder):
    return read_captions(list_images(folder), folder)


def test_tables_of_both_kinds_are_read(cats):
    assert read(cats) == []
    rows = [{"file_name": "1.png", "text": "two, or one"}, {"file_name": "0.png", "text": "é"}]
    (cats / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read(cats) == ["é", "two, or one"]
    (cats / "metadata.csv").write_text('file_name,age,text\n0.png,3,é\n1.png,4,"two, or one"\n')
    assert read(cats) == ["é", "two, or one"]


def test_a_table_above_the_splits_names_images_from_there(tmp_path, cats):
    (tmp_path / "metadata.csv").write_text("file_name,text\ncats/0.png,a\ncats/1.png,b\n")
    assert read_captions(list_images(cats), tmp_path) == ["a", "b"]


def test_a_table_of_other_facts_is_none_of_captions(cats):
    (cats / "metadata.csv").write_text("file_name,age\n0.png,3\n")
    assert read(cats) == []


def test_text_files_beside_the_images_are_read_where_no_table_is(cats):
    (cats / "notes.txt").write_text("of no image")
    assert read(cats) == []
    (cats / "0.txt").write_bytes("\ufeffé,\n two\n".encode())
    with pytest.raises(
        DataError, match=r"\.txt of 1 to 4096 bytes for each image, and 1\.png has N"
    ):
        read(cats)
    (cats / "1.txt").write_text("b")
    assert read(cats) == ["é, two", "b"]
    (cats / "metadata.csv").write_text("file_name,text\n0.png,c\n1.png,d\n")
    assert read(cats) == ["c", "d"]
    assert read_captions(list_images(cats), cats, tables=()) == []


def test_a_text_file_that_is_no_text_is_refused(cats):
    (cats / "0.txt").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"0\.txt is not a text in UTF-8"):
        read(cats)


@pytest.mark.parametrize("text", ["", "x" * 5000, "a\0b", "\ud800"])
def test_an_image_without_a_sound_caption_is_named(cats, text):
    (cats / "metadata.jsonl").write_text(
        json.dumps({"file_name": "0.png", "text": "a"})
        + "\n"
        + json.dumps({"file_name": "1.png", "text": text})
    )
    with pytest.raises(DataError, match=r"text of 1 to 4096 bytes for each image, and 1\.png has"):
        read(cats)


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"{", b"[1]", b"[" * 100_000])
def test_a_damaged_table_is_refused(cats, content):
    (cats / "metadata.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=r"metadata\.jsonl is not a sound table of captions"):
        read(cats)
