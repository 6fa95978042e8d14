"""Sets that are split by person, in the layouts of LFDM."""

import numpy as np
import pytest
from PIL import Image

from data import MHAD, MUG, NATOPS, DataError

SMALL = {"size": 16, "frames": 4, "workers": 0}


def people(data, split):
    return data._listings[split].names


def test_faces_are_split_by_person_also_one_folder_deeper(tmp_path, still, seen):
    for name in ("008/anger/take000", "008/mixed/take000", "001/fear/take002"):
        still(tmp_path / name, name="img_{:04d}.jpg")
    still(tmp_path / "002" / "session0" / "surprise" / "take001", frames=3)
    data = MUG(str(tmp_path), **SMALL)
    data.setup()
    assert people(data, "train") == ["008/anger/take000"]
    assert people(data, "test") == ["001/fear/take002", "002/session0/surprise/take001"]
    batch = data.test_dataset.__getitems__([0, 1])
    assert batch["label"].tolist() == [2, 6]
    assert seen(batch["x"][0])[0] == 0
    assert seen(batch["x"][1]) == [0, 1, 2, 2]
    assert data.sampling.clips == "sorted"
    assert len(MUG.trained) == 26


def test_actions_are_read_from_folders_and_from_whole_videos(tmp_path, still, video):
    still(tmp_path / "a1_s1_t1")
    still(tmp_path / "a27_s6_t2")
    video(tmp_path / "more" / "a3_s5_t4_color.avi")
    data = MHAD(str(tmp_path), captions=True, **SMALL)
    data.setup()
    assert people(data, "train") == ["a1_s1_t1", "more/a3_s5_t4_color.avi"]
    assert data.train_dataset.labels.tolist() == [0, 2]
    text = data.test_dataset.__getitems__([0])["text"][0]
    assert bytes(text[text > 0].byte().tolist()) == b"squat (two arms stretch out)"
    assert (data.classes, data.sampling.clips, data.shape) == (27, "jittered", (3, 4, 16, 16))


def test_gestures_are_those_of_repetitions(tmp_path, still):
    for name in ("g01s03p01-12-80", "g24s20p20-1-60", "g05s01p02-5-90"):
        still(tmp_path / name)
    still(tmp_path / "g01s03")  # a whole recording, which is no repetition
    data = NATOPS(str(tmp_path), **SMALL)
    data.setup()
    assert people(data, "train") == ["g01s03p01-12-80", "g24s20p20-1-60"]
    assert data.train_dataset.labels.tolist() == [0, 23]
    assert people(data, "test") == ["g05s01p02-5-90"]


@pytest.mark.parametrize(
    ("kind", "box", "name"),
    [
        (MHAD, (77, 0, 247, 240), "a1_s{}_t1"),
        (NATOPS, (30, 10, 290, 239), "g01s0{}p01-1-2"),
    ],
)
def test_the_part_of_a_frame_that_is_kept_is_cut_out(tmp_path, kind, box, name):
    picture = Image.new("RGB", (320, 240))
    picture.paste((255, 255, 255), box)
    for person in (3, 6):
        folder = tmp_path / name.format(person)
        folder.mkdir()
        picture.save(folder / "0.png")
    x = [
        kind(str(tmp_path), cropped=cropped, **SMALL).train_dataset.__getitems__([0])["x"]
        for cropped in (True, False)
    ]
    assert x[0].min() == -1
    assert x[1].min() == 1


def test_frames_are_squashed_to_the_means_of_their_areas(tmp_path, still):
    folder = still(tmp_path / "a1_s1_t1", frames=1)
    levels = np.zeros((32, 64, 3), np.uint8)
    levels[:, ::2] = 200
    Image.fromarray(levels).save(folder / "0.png")
    still(tmp_path / "a1_s4_t1")
    x = MHAD(str(tmp_path), **SMALL).train_dataset.__getitems__([0])["x"]
    assert ((x + 1) * 127.5 - 100).abs().max() < 1e-3


def test_a_set_without_such_names_or_people_is_refused(tmp_path, still):
    still(tmp_path / "clip")
    with pytest.raises(DataError, match="holds no videos of MHAD: unpack the RGB videos"):
        MHAD(str(tmp_path), **SMALL).prepare_data()
    still(tmp_path / "a1_s1_t1")
    with pytest.raises(DataError, match="holds nobody of the test split of MHAD"):
        MHAD(str(tmp_path), **SMALL).prepare_data()
