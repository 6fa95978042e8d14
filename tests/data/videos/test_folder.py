"""Folders of videos: clips, splits, classes, and what is refused or left out."""

import numpy as np
import pytest
import torch

from data import DataError, VideoFolder
from data.images.captions import as_strings
from data.order import Draw
from data.videos.film import film_of

SMALL = {"size": 16, "frames": 4, "workers": 0}


@pytest.fixture
def pets(tmp_path, video, still):
    """Two classes of three training videos and one of tests, in all formats."""
    for split, number in (("train", 3), ("test", 1)):
        for kind in ("cat", "dog"):
            for k in range(number):
                video(tmp_path / "pets" / split / kind / f"{k}.mp4", frames=10 + k, first=k)
    (tmp_path / "pets" / "train" / "cat" / "0.mp4").unlink()
    still(tmp_path / "pets" / "train" / "cat" / "0", frames=10)
    return tmp_path / "pets"


def videos(root, **options):
    return VideoFolder(str(root), **{**SMALL, **options})


def only(data, split="train"):
    """The only clip of a split, or all."""
    dataset = data.dataset_of(split)
    return dataset.__getitems__(range(len(dataset)))


def test_files_and_folders_of_frames_are_videos_of_classes(pets, seen):
    data = videos(pets, clips="first", flip=True)
    data.setup()
    assert (data.name, data.class_names, data.shape) == ("pets", ("cat", "dog"), (3, 4, 16, 16))
    batch = only(data)
    assert batch["x"].shape == (6, 3, 4, 16, 16)
    assert batch["label"].tolist() == [0, 0, 0, 1, 1, 1]
    assert [seen(x) for x in batch["x"]] == [[k, k + 1, k + 2, k + 3] for k in (0, 1, 2)] * 2
    assert only(data, "test")["label"].tolist() == [0, 1]
    assert data.views == ("plain", "mirrored")


def test_random_clips_are_functions_of_the_draw_and_in_order_of_the_index(pets, seen):
    data = videos(pets, frames=3)
    assert data.views == ()
    drawn = [data.train_dataset.__getitems__([Draw(5, seed)])["x"] for seed in range(40)]
    starts = {seen(x[0])[0] - 2 for x in drawn}
    assert starts == set(range(10))
    again = videos(pets, frames=3).train_dataset.__getitems__([Draw(5, 7)])["x"]
    assert torch.equal(again, drawn[7])
    plain = only(data)["x"]
    assert torch.equal(plain[[4]], data.train_dataset.__getitems__([4])["x"])
    assert not torch.equal(plain, only(videos(pets, frames=3, data_seed=1))["x"])


def test_whatever_changes_clips_changes_the_fingerprint(pets, video):
    found = {videos(pets).fingerprint, videos(pets, seed=3).fingerprint}
    assert len(found) == 1
    for change in (
        {"stride": 2},
        {"clips": "windows"},
        {"clips": "windows", "step": 2},
        {"data_seed": 1},
        {"resize": "squash"},
        {"size": 8},
        {"channels": 1},
    ):
        found.add(videos(pets, **change).fingerprint)
    assert len(found) == 8
    video(pets / "train" / "cat" / "1.mp4", frames=30)
    assert videos(pets).fingerprint not in found


def test_a_share_of_each_class_is_held_out_where_no_split_is_there(pets):
    data = videos(pets / "train", test_fraction=0.3)
    assert (len(data.train_dataset), len(data.test_dataset)) == (4, 2)
    assert data.test_dataset.labels.tolist() == [0, 1]


def test_folders_may_have_other_names_and_no_classes(tmp_path, video, seen):
    for split in ("sky_train", "sky_test"):
        video(tmp_path / split / "a" / "a_1.mp4")
        video(tmp_path / split / "b" / "c" / "b_1.mp4", first=3)
    data = videos(tmp_path, train=["x", "sky_train"], test="sky_test", classes=False, clips="first")
    data.setup()
    assert data.classes == 0
    assert [seen(x)[0] for x in only(data)["x"]] == [0, 3]


def test_frames_cover_the_size_and_are_cropped_at_the_centre(tmp_path, still, seen):
    from PIL import Image

    folder = still(tmp_path / "v" / "a", frames=1, size=(40, 20))
    picture = Image.new("RGB", (40, 20))
    picture.paste((255, 0, 0), (10, 0, 30, 20))
    picture.save(folder / "0.png")
    still(tmp_path / "v" / "b", frames=1)
    data = videos(tmp_path / "v", size=20, frames=1, clips="first", classes=False)
    split = "train" if "a" in data.train_dataset.path(0).name else "test"
    x = only(data, split)["x"][0, :, 0]
    assert (x[0] == 1).all()
    assert (x[1:] == -1).all()
    squashed = videos(tmp_path / "v", size=20, frames=1, clips="first", resize="squash")
    x = only(squashed, split)["x"][0, 0, 0]
    assert x[:, [0, 4, 15, 19]].max() == -1
    assert x[:, 5:15].min() == 1


def test_captions_beside_videos_are_read(pets):
    rows = [f"{kind}/{k}" for kind in ("cat", "dog") for k in range(3)]
    lines = [f"{row}{'' if row == 'cat/0' else '.mp4'},a {row[:3]}" for row in rows]
    (pets / "train" / "metadata.csv").write_text("file_name,text\n" + "\n".join(lines))
    (pets / "test" / "metadata.csv").write_text(
        "file_name,text\ncat/0.mp4,a cat\ndog/0.mp4,a dog\n"
    )
    data = videos(pets)
    assert bytes(only(data)["text"][3].byte().tolist()) == b"a dog"
    assert data.requests([1], 0)["label"].tolist() == [1]


def test_captions_stand_in_a_text_beside_each_video_file_or_folder_of_frames(pets):
    for path in [*pets.glob("*/*/*.mp4"), pets / "train" / "cat" / "0"]:
        path.with_suffix(".txt").write_text(f"the {path.parent.name}\n number {path.stem}")
    texts = [as_strings(row[None])[0] for row in only(videos(pets))["text"]]
    assert texts[:2] == ["the cat number 0", "the cat number 1"]


def test_a_video_is_looked_at_once(pets, monkeypatch):
    videos(pets).setup()
    monkeypatch.setattr("data.videos.inspection.film_of", None)
    videos(pets).setup()
    with pytest.raises(TypeError):
        videos(pets, channels=1).setup()


@pytest.fixture
def faults(pets, video, still):
    """`faults[name]`: makes the first video of dogs one that cannot be used."""
    path = pets / "train" / "dog" / "0.mp4"

    def truncated():
        path.write_bytes(path.read_bytes()[:-300])

    def grey():
        path.unlink()
        video(path.with_suffix(".mkv"), codec="ffv1", layout="gray")

    def codec():
        path.unlink()
        avi = video(path.with_suffix(".avi"))
        avi.write_bytes(avi.read_bytes().replace(b"FMP4", b"ZZZZ"))

    def folder():
        path.unlink()
        (still(path.with_suffix("")) / "3.png").write_text("no picture")

    return {
        "short": lambda: video(path, frames=3),
        "variable": lambda: video(path, times=np.cumsum([0, *[1] * 5, *[3] * 6])),
        "truncated": truncated,
        "grey": grey,
        "codec": codec,
        "frame": folder,
    }


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("short", r"0\.mp4 has 3 frames, and a clip spans 4: ask for fewer, set short=drop"),
        ("variable", r"0\.mp4 has a variable frame rate: set resample=true to read its fr"),
        ("truncated", r"0\.mp4 is truncated"),
        ("grey", r"0\.mkv is grey, and colour is asked for: set channels=1"),
        ("codec", r"0\.avi is in a codec that cannot be read: convert it"),
        ("frame", r"3\.png is not a sound image"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_or_left_out_and_counted(
    pets, faults, fault, message
):
    faults[fault]()
    with pytest.raises(DataError, match=f"1 of 6 videos under .*train cannot be used.*{message}"):
        videos(pets).prepare_data()
    data = videos(pets, skip_corrupt=True)
    data.setup()
    assert (data.skipped, len(data.train_dataset)) == (1, 5)
    assert only(data)["label"].tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("skip", [False, True])
def test_where_no_video_can_be_used_it_is_not_advised_to_leave_them_out(pets, skip):
    data = videos(pets, frames=100, skip_corrupt=skip)
    with pytest.raises(DataError, match="all of 6 of 6 videos under ") as caught:
        data.prepare_data()
    assert str(caught.value).endswith("ask for fewer, set short=drop or short=repeat")


def test_short_videos_are_dropped_or_repeat_their_last_frame(pets, faults, seen):
    faults["short"]()
    assert len(videos(pets, short="drop").train_dataset) == 5
    data = videos(pets, short="repeat", clips="first")
    assert seen(only(data)["x"][3]) == [0, 1, 2, 2]
    with pytest.raises(DataError, match=r"no video of the train split .* the 99 frames"):
        _ = videos(pets, frames=99, short="drop").train_dataset


def test_variable_rates_are_resampled(pets, faults, seen):
    faults["variable"]()
    data = videos(pets / "train", resample=True, clips="windows", frames=6, test_fraction=0.3)
    with pytest.raises(DataError, match=r"cat/0 is a folder of frames, which have no times"):
        data.setup()
    data = videos(pets / "train", resample=True, clips="windows", frames=6, skip_corrupt=True)
    data.setup()
    assert data.fps == 25
    found = [seen(x) for x in (*only(data)["x"], *only(data, "test")["x"])]
    assert [5, 5, 5, 6, 6, 6] in found


def test_written_clips_play_as_fast_as_the_videos(pets):
    assert videos(pets, stride=2, frames=2, fps=24).fps == 12


def test_clips_of_a_part_say_how_fast_they_are(tmp_path, video, still, seen):
    """At 25 frames a second in a file, at the stated 10 in a folder of frames."""
    video(tmp_path / "v" / "a.mp4", frames=12)
    still(tmp_path / "v" / "b", frames=12)
    paced = {"clips": "part", "frames": 3, "classes": False, "fps": 10}
    for path, rate in (("a.mp4", 25), ("b", 10)):
        data = videos(tmp_path / "v", **paced)
        split = "train" if path in data.train_dataset.path(0).name else "test"
        clips, found = data.dataset_of(split), set()
        for key in range(30):
            batch = clips.__getitems__([Draw(0, key)])
            first, _, last = seen(batch["x"][0])
            assert batch["fps"].item() == pytest.approx(2 * rate / (last - first))
            found.add(batch["fps"].item())
        assert len(found) > 3
    data.setup()
    assert data.views == ()
    assert videos(tmp_path / "v", **paced | {"fps": 20}).fingerprint != data.fingerprint


def test_samples_are_asked_for_at_a_rate_or_at_those_of_test_clips_and_play_so(pets):
    data = videos(pets, clips="part")
    clips = data.test_dataset
    expected = clips.__getitems__([0, 1])["fps"]
    assert torch.equal(data.requests([0, 1, 2], 0)["fps"], expected[[0, 1, 0]])
    asked = data.requests([0, 1], 0, fps=8)
    assert asked["fps"].tolist() == [8, 8]
    assert asked["label"].tolist() == [0, 1]
    assert data.example(2).keys() == clips.__getitems__([0]).keys() - {"index"}
    for bad in ("fast", -1, True):
        with pytest.raises(DataError, match="fps"):
            data.requests([0], 0, fps=bad)
    with pytest.raises(DataError, match="cannot be asked for fps"):
        videos(pets).requests([0], 0, fps=8)
    data.save(pets / "drawn", {"x": torch.zeros(2, 3, 4, 16, 16), **asked})
    assert film_of(pets / "drawn" / "00000.mp4", 3).rate == pytest.approx(8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": ""}, "root is empty"),
        ({"root": "nowhere"}, "there is none of nowhere"),
        ({"channels": 2}, "1 channel or 3"),
        ({"fps": 0}, "fps must be a positive"),
        ({"test_fraction": 1}, "test_fraction must be in"),
    ],
)
def test_useless_arguments_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        VideoFolder(**{"root": "x", **SMALL, **options}).prepare_data()


def test_a_folder_without_videos_is_refused(tmp_path, picture):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(DataError, match="no videos under"):
        videos(tmp_path).prepare_data()
    picture(tmp_path / "a.png")
    with pytest.raises(DataError, match="folders of images below it"):
        videos(tmp_path).prepare_data()
