import pytest

from data import DataError, ImageNet


@pytest.fixture(scope="module")
def synsets(tmp_path_factory):
    """A thousand synsets with one tiny image each, all the same file."""
    from PIL import Image

    root = tmp_path_factory.mktemp("imagenet")
    Image.new("RGB", (6, 4), "red").save(root / "red.jpg")
    for split in ("ILSVRC2012_train/data", "ILSVRC2012_validation/data"):
        for number in range(1000):
            folder = root / split / f"n{number:08d}"
            folder.mkdir(parents=True)
            (folder / "0.JPEG").symlink_to(root / "red.jpg")
    return root


def test_the_official_folders_are_read(synsets):
    data = ImageNet(str(synsets), size=4, workers=0)
    data.setup()
    assert (data.name, data.classes, len(data.train_dataset)) == ("ImageNet", 1000, 1000)
    assert data.test_dataset[999]["label"] == 999


def test_fewer_classes_are_refused(pictures):
    with pytest.raises(DataError, match=r"has 1000 classes, .*train has 2: ask for ImageNet"):
        ImageNet(str(pictures), workers=0).setup()


def test_the_error_for_a_missing_folder_says_how_to_get_the_data():
    with pytest.raises(DataError, match=r"none of imagenet, .*image-net\.org"):
        ImageNet().setup()
