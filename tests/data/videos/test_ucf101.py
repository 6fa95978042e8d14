"""UCF-101 in its official layout."""

import pytest

from data import UCF101, DataError
from data.images.captions import as_strings
from data.videos.ucf101 import CLASSES

VIDEOS = {
    "train": ["ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01", "TaiChi/v_TaiChi_g08_c01"],
    "test": ["ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01", "TaiChi/v_TaiChi_g01_c02"],
}


@pytest.fixture
def root(tmp_path, video):
    lists = tmp_path / "ucf" / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    for fold, (train, test) in {1: ("train", "test"), 2: ("test", "train")}.items():
        labels = [CLASSES.index(name.split("/")[0]) + 1 for name in VIDEOS[train]]
        lines = [f"{name}.avi {label}" for name, label in zip(VIDEOS[train], labels, strict=True)]
        (lists / f"trainlist0{fold}.txt").write_text("\r\n".join(lines) + "\r\n")
        tests = [f"{name}.avi" for name in VIDEOS[test]]
        (lists / f"testlist0{fold}.txt").write_text("\n".join(tests) + "\n")
    for first, name in enumerate(VIDEOS["train"] + VIDEOS["test"]):
        video(tmp_path / "ucf" / "UCF-101" / f"{name}.avi", frames=6, first=5 * first)
    return tmp_path / "ucf"


def ucf(root, **options):
    return UCF101(str(root), **{"size": 16, "frames": 4, "clips": "first", "workers": 0, **options})


def names(data, split):
    dataset = data.dataset_of(split)
    return [dataset.path(k).parent.name + "/" + dataset.path(k).stem for k in range(len(dataset))]


def test_splits_are_those_of_the_lists_of_a_fold(root, seen):
    data = ucf(root)
    data.setup()
    assert (names(data, "train"), names(data, "test")) == (VIDEOS["train"], VIDEOS["test"])
    batch = data.test_dataset.__getitems__([0, 1])
    assert batch["label"].tolist() == [0, CLASSES.index("TaiChi")]
    assert seen(batch["x"][1]) == [15, 16, 17, 18]
    second = ucf(root, fold=2)
    assert (names(second, "train"), names(second, "test")) == (VIDEOS["test"], VIDEOS["train"])
    assert second.fingerprint != data.fingerprint


def test_all_trains_on_both_lists(root):
    data = ucf(root, train="all")
    assert sorted(names(data, "train")) == sorted(VIDEOS["train"] + VIDEOS["test"])
    assert names(data, "test") == VIDEOS["test"]


def test_its_classes_are_known_without_its_files_and_named_in_words(root):
    data = UCF101("nowhere", captions=True)
    assert (data.classes, data.shape) == (101, (3, 16, 256, 256))
    assert list(data.class_names) == sorted(data.class_names, key=str.lower)
    asked = ucf(root, captions=True).train_dataset.__getitems__([0, 1])
    assert as_strings(asked["text"]) == ["apply eye makeup", "tai chi"]


def test_a_listed_video_that_is_missing_is_named(root):
    (root / "UCF-101" / f"{VIDEOS['train'][1]}.avi").unlink()
    with pytest.raises(DataError, match=r"1 of 2 listed videos .* TaiChi/v_TaiChi_g08_c01\.avi"):
        ucf(root).prepare_data()


def test_a_damaged_video_is_refused_or_left_out_of_its_list(root):
    path = root / "UCF-101" / f"{VIDEOS['train'][1]}.avi"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"v_TaiChi_g08_c01\.avi is truncated"):
        ucf(root).prepare_data()
    data = ucf(root, skip_corrupt=True)
    assert (names(data, "train"), data.skipped) == (VIDEOS["train"][:1], 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"fold": 4}, "folds 1, 2 and 3"), ({"train": "test"}, "the list 'train' or 'all'")],
)
def test_useless_choices_are_refused(root, options, message):
    with pytest.raises(DataError, match=message):
        ucf(root, **options)


def test_what_is_missing_is_said_with_how_to_get_it(root):
    (root / "ucfTrainTestlist" / "testlist01.txt").unlink()
    with pytest.raises(DataError, match=r"testlist01\.txt cannot be read .*unrar x"):
        ucf(root).prepare_data()
    with pytest.raises(DataError, match=r"there is no .*UCF-101: unpack UCF101\.rar"):
        ucf(root / "ucfTrainTestlist").prepare_data()
