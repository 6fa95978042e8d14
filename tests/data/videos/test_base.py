"""What all datasets of videos share: shapes, clips of grids, files of samples."""

import json

import av
import numpy as np
import pytest
import torch

from data import DataError, Digits, MovingDigits
from data.images.grid import grid


@pytest.fixture(scope="module")
def data():
    return MovingDigits(Digits(), digits=1, size=8, frames=3, clips=20, test_clips=10)


def test_a_clip_of_grids_shows_frame_after_frame(data):
    batch = data.test_dataset.__getitems__(range(5))
    clip = data.show(batch, columns=5)
    assert clip.shape[:2] == (3, 3)
    for number, picture in enumerate(clip):
        torch.testing.assert_close(picture, grid(batch["x"][:, :, number], 5))
    torch.testing.assert_close(data.show(data.compact(batch), columns=5), clip, atol=4e-3, rtol=0)


def test_samples_are_films_and_an_array_with_their_labels(data, tmp_path):
    batch = data.test_dataset.__getitems__([2, 3])
    data.save(tmp_path, batch)
    names = ["00000.mp4", "00001.mp4", "samples.npz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    arrays = np.load(tmp_path / "samples.npz")
    assert arrays["arr_0"].shape == (2, 3, 8, 8, 3)
    expected = torch.from_numpy(arrays["arr_0"]).float().movedim(-1, 1) / 127.5 - 1
    torch.testing.assert_close(batch["x"].expand(-1, 3, -1, -1, -1), expected, atol=4e-3, rtol=0)
    assert arrays["arr_1"].tolist() == batch["label"].tolist()
    with av.open(str(tmp_path / "00001.mp4")) as file:
        assert len(list(file.decode(video=0))) == 3
        assert file.streams.video[0].average_rate == 10


def test_what_was_asked_for_is_written_beside_the_films(data, tmp_path):
    batch = data.test_dataset.__getitems__([0])
    data.save(tmp_path, {**batch, "text": torch.tensor([[104, 105, 0]])})
    rows = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text().splitlines()]
    assert rows == [{"file_name": "00000.mp4", "text": "hi"}]


def test_a_clip_is_asked_for_by_its_class(data):
    assert data.requests(range(3), 0, label=7)["label"].tolist() == [7, 7, 7]
    with pytest.raises(DataError, match="has no classes"):
        MovingDigits(Digits()).requests(range(3), 0, label=7)
