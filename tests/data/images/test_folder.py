"""Folders and archives of images, intact and damaged."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from data import DataError, ImageFolder
from data.images import inspection
from data.images.captions import as_strings


def folder(root, **options) -> ImageFolder:
    return ImageFolder(str(root), **{"size": 8, "workers": 0} | options)


def test_class_folders_with_a_test_split_are_read(pictures):
    data = folder(pictures)
    data.setup()
    assert (data.name, data.class_names, data.shape) == ("pets", ("cat", "dog"), (3, 8, 8))
    assert data.train_dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test_dataset.labels.tolist() == [0, 1]
    assert data.test_dataset.path(1) == pictures / "test" / "dog" / "0.png"


def test_an_archive_gives_the_same_data_as_its_folder(pictures, tmp_path, cache):
    plain = next(iter(folder(pictures).ordered_batches("train", 6)))
    for kind in ("tar", "xztar", "zip"):
        # The tar contains `pets/train/...`, the others `train/...`.
        inside = {"base_dir": "pets"} if kind == "tar" else {}
        top = tmp_path if kind == "tar" else pictures
        archive = shutil.make_archive(str(tmp_path / kind), kind, top, **inside)
        again = next(iter(folder(archive).ordered_batches("train", 6)))
        torch.testing.assert_close(again, plain, rtol=0, atol=0)
    assert len(list((cache / "unpacked").iterdir())) == 3


def test_a_flat_folder_has_no_classes_and_a_held_out_split(tmp_path, picture):
    for number in range(20):
        picture(tmp_path / "faces" / f"{number:02d}.png", seed=number)
    data = folder(tmp_path / "faces", test_fraction=0.25)
    data.setup()
    assert data.classes == 0
    assert (len(data.train_dataset), len(data.test_dataset)) == (15, 5)
    assert data.train_dataset[0]["label"] == -1
    split = [set(part.names.tolist()) for part in (data.train_dataset, data.test_dataset)]
    assert len(split[0] | split[1]) == 20
    again = folder(tmp_path / "faces", test_fraction=0.25, seed=1)
    assert set(again.test_dataset.names.tolist()) == split[1]


def test_a_relative_root_is_searched_for_in_the_data_folder(pictures, monkeypatch):
    monkeypatch.setenv("LDM_DATA", str(pictures.parent))
    assert len(folder("pets").test_dataset) == 2


def test_the_test_split_may_have_another_short_side(pictures):
    data = folder(pictures, test_short_side=9)
    assert (data.train_dataset.crop.covered, data.test_dataset.crop.covered) == ((8, 8), (9, 9))


def test_one_channel_reads_images_as_grey(pictures):
    data = folder(pictures, channels=1)
    data.setup()
    assert data.train_dataset[0]["x"].shape == (1, 8, 8)


def test_a_changed_file_changes_the_fingerprint(pictures, picture):
    before = folder(pictures).fingerprint
    assert folder(pictures).fingerprint == before
    assert folder(pictures, size=9).fingerprint != before
    picture(pictures / "train" / "cat" / "0.png", seed=99)
    assert folder(pictures).fingerprint != before


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def test_damaged_files_are_reported_before_training(pictures):
    cut(pictures / "train" / "dog" / "1.png")
    with pytest.raises(DataError, match=r"1 of 6 images .* cannot be used; .*dog/1\.png is not"):
        folder(pictures).setup()
    with pytest.raises(DataError, match=r"dog/1\.png is not a sound image"):
        folder(pictures, verify=False).train_dataset[4]


def test_damaged_files_are_skipped_and_counted(pictures, caplog):
    cut(pictures / "train" / "dog" / "1.png")
    Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(pictures / "train" / "cat" / "9.tif")
    data = folder(pictures, skip_corrupt=True)
    data.setup()
    assert data.skipped == 2
    assert "2 of 7 images" in caplog.text
    assert [len(b["x"]) for b in data.ordered_batches("train", 9)] == [5]


def test_skipping_damaged_files_looks_at_them_even_if_verifying_is_off(pictures):
    cut(pictures / "train" / "dog" / "1.png")
    data = folder(pictures, verify=False, skip_corrupt=True)
    data.setup()
    assert data.skipped == 1
    assert [len(b["x"]) for b in data.ordered_batches("train", 9)] == [5]


def test_files_are_verified_once(pictures, cache, monkeypatch):
    looked_at = []
    read = inspection.open_image
    monkeypatch.setattr(
        inspection, "open_image", lambda path, name: looked_at.append(path) or read(path)
    )
    folder(pictures).setup()
    assert len(set(looked_at)) == len(looked_at) > 0
    monkeypatch.setattr(inspection, "open_image", pytest.fail)
    folder(pictures).prepare_data()


def test_the_error_for_a_missing_root_lists_the_searched_folders(monkeypatch):
    monkeypatch.setenv("LDM_DATA", "/somewhere")
    with pytest.raises(DataError, match=r"none of pets, /somewhere/pets, datasets/pets: set"):
        folder("pets").setup()


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "readme.txt").write_text("no pictures")
    with pytest.raises(DataError, match=r"no images under .*train: files that end in \.jpg"):
        folder(tmp_path).setup()


def test_a_folder_of_damaged_files_only_is_refused_even_with_skip_corrupt(tmp_path, picture):
    cut(picture(tmp_path / "0.png"))
    with pytest.raises(DataError, match=r"all of 1 of 1 images .*: mend or remove it$"):
        folder(tmp_path, skip_corrupt=True).setup()


def test_a_single_image_is_too_few_for_a_split(tmp_path, picture):
    picture(tmp_path / "0.png")
    with pytest.raises(DataError, match="holds 1 images, too few"):
        folder(tmp_path).setup()


def test_images_beside_class_folders_are_refused(pictures, picture):
    picture(pictures / "train" / "stray.png")
    with pytest.raises(DataError, match=r"1 images beside its class folders, stray\.png first"):
        folder(pictures).setup()


def test_classes_that_differ_between_splits_are_refused(pictures):
    (pictures / "test" / "dog").rename(pictures / "test" / "wolf")
    with pytest.raises(DataError, match=r"only one has \['dog', 'wolf'\]"):
        folder(pictures).setup()


def test_a_root_that_is_not_an_archive_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("?")
    with pytest.raises(DataError, match=r"notes\.txt is neither a folder nor one of \.tar"):
        folder(tmp_path / "notes.txt").setup()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": [8, 8, 8]}, r"\[height, width\], got \[8, 8, 8\]"),
        ({"test_short_side": 0}, "at least that of size, 8, got 0"),
        ({"bits": 17}, "1 to 16 bits, got bits=17"),
        ({"channels": 4}, "1 channel or 3, got 4"),
        ({"crop": "left"}, "'center' or 'random', got 'left'"),
        ({"test_fraction": 1.0}, r"in \(0, 1\), got 1.0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        folder("pets", **options)


def test_images_of_any_height_and_width_are_read(pictures):
    data = folder(pictures, size=[12, 6])
    data.setup()
    assert data.shape == (3, 12, 6)
    assert data.show(data.train_dataset.__getitems__([0, 1])).shape[0] == 3


def test_split_folders_may_be_in_upper_case(pictures):
    for name in ("train", "test"):
        (pictures / name).rename(pictures / name.capitalize())
    assert [len(part.names) for part in folder(pictures).splits().values()] == [6, 2]


def test_no_class_is_held_out_as_a_whole(tmp_path, picture):
    for name, count in (("rare", 1), ("common", 9)):
        for number in range(count):
            picture(tmp_path / "pets" / name / f"{number}.png")
    data = folder(tmp_path / "pets", test_fraction=0.5)
    data.setup()
    assert data.class_names == ("common", "rare")
    assert sorted(set(data.train_dataset.labels.tolist())) == [0, 1]


def test_captions_are_kept_in_both_splits_and_asked_for(pictures):
    rows = ["file_name,text"]
    for path in sorted(pictures.rglob("*.png")):
        name = path.relative_to(pictures).as_posix()
        rows.append(f"{name},{name.replace('/', ' ')}")
    (pictures / "metadata.csv").write_text("\n".join(rows))
    data = folder(pictures)
    data.setup()
    batch = data.train_dataset.__getitems__([0, 5])
    assert as_strings(batch["text"]) == ["train cat 0.png", "train dog 2.png"]
    width = batch["text"].shape[1]
    assert data.test_dataset[0]["text"].shape == data.example(2)["text"][0].shape == (width,)
    asked = data.requests(range(3), 0)
    assert as_strings(asked["text"]) == ["test cat 0.png", "test dog 0.png", "test cat 0.png"]
    assert asked["label"].tolist() == [0, 1, 0]  # those of the images with these captions
    dogs = data.requests(range(2), 0, label=1)
    assert as_strings(dogs["text"]) == ["test dog 0.png"] * 2
    assert dogs["label"].tolist() == [1, 1]


def test_captions_beside_the_images_are_kept(pictures):
    for path in sorted(pictures.rglob("*.png")):
        path.with_suffix(".txt").write_text(f"a {path.parent.name}\n")
    data = folder(pictures)
    data.setup()
    assert as_strings(data.train_dataset.__getitems__([0, 5])["text"]) == ["a cat", "a dog"]


def test_text_cannot_be_asked_for_without_captions(pictures):
    with pytest.raises(DataError, match="pets has no captions: ask for label=0"):
        folder(pictures).requests([0], 0, text="a cat")


def test_turned_and_dark_images_are_said(pictures, caplog):
    image = Image.new("RGB", (6, 4))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(pictures / "train" / "cat" / "8.jpg", exif=exif)
    Image.fromarray(np.full((9, 9), 4000, np.uint16)).save(pictures / "train" / "cat" / "9.png")
    folder(pictures).setup()
    assert "1 of 8 images" in caplog.text
    assert "set upright=true" in caplog.text
    assert "reach 4000 of 65535, so they are dark: set bits=12" in caplog.text
    caplog.clear()
    folder(pictures, upright=True, bits=12).setup()
    assert not caplog.text
    with pytest.raises(DataError, match=r"reach 4000, beyond the 1023 of bits=10: set bits=12"):
        folder(pictures, bits=10).setup()


def test_an_empty_root_is_not_the_working_folder():
    with pytest.raises(DataError, match="root is empty: set `root` to a folder"):
        folder("")


def test_a_root_with_a_null_byte_is_not_there():
    with pytest.raises(DataError, match="there is none of a\0b"):
        folder("a\0b").setup()


def test_the_message_of_a_worker_process_comes_without_its_traceback(pictures):
    cut(pictures / "train" / "dog" / "1.png")
    data = folder(pictures, verify=False, workers=1)
    with pytest.raises(DataError, match=r"^\S*dog/1\.png is not a sound image .*\Z"):
        list(data.ordered_batches("train", 6))
