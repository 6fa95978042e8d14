"""COCO's captions: one an image, the first of those published."""

import json

import pytest

from data import COCO
from data.files.errors import DataError
from data.images.captions import as_strings


@pytest.fixture
def root(tmp_path, picture):
    """Two images with two captions each, and one of tests."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    for split, numbers in (("train2017", (1, 2)), ("val2017", (3,))):
        images, annotations = [], []
        for number in numbers:
            picture(root / split / f"{number:012d}.jpg", seed=number)
            images.append({"id": number, "file_name": f"{number:012d}.jpg"})
            for nth, word in enumerate(("second", "first")):
                text = f"The {word}  caption\nof {number}."
                annotations.append({"id": 10 * number - nth, "image_id": number, "caption": text})
        content = {"images": images, "annotations": annotations}
        (root / "annotations" / f"captions_{split}.json").write_text(json.dumps(content))
    return root


def test_each_image_has_its_caption_of_the_smallest_id(root):
    data = COCO(str(root), size=8)
    batch = data.train_dataset.__getitems__([0, 1])
    assert as_strings(batch["text"]) == ["The first caption of 1.", "The first caption of 2."]
    assert as_strings(data.test_dataset.__getitems__([0])["text"]) == ["The first caption of 3."]
    assert as_strings(data.requests([0, 1], seed=0)["text"]) == ["The first caption of 3."] * 2


def test_faults_of_annotations_are_named(root, picture):
    path = root / "annotations" / "captions_train2017.json"
    picture(root / "train2017" / "000000000009.jpg")
    with pytest.raises(DataError, match=r"captions_train2017.json should .* 000000000009.jpg has"):
        _ = COCO(str(root), size=8).train_dataset
    path.write_text(path.read_text()[:-5])
    with pytest.raises(DataError, match=r"captions_train2017.json is no sound file of COCO"):
        _ = COCO(str(root), size=8).train_dataset
    path.unlink()
    with pytest.raises(DataError, match=r"there is no .*captions_train2017.json: unpack"):
        _ = COCO(str(root), size=8).train_dataset


def test_folders_of_both_splits_are_needed(root):
    (root / "val2017").rename(root / "other")
    with pytest.raises(DataError, match=r"should hold train2017/ and val2017/, or those of 2014"):
        _ = COCO(str(root), size=8).train_dataset
