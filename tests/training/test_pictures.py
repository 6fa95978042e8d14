"""Pictures while training, on disk."""

import pytest
from PIL import Image

from ldm.samplers import Unsolved
from ldm.training import TrainerOptions
from ldm.training.fit import fit


def test_pictures_are_written_while_training_and_at_its_end(tokenizer_training, run, tmp_path):
    run(tokenizer_training(samples=480), tmp_path, pictures=2)
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["000000256.png", "000000512.png"]
    assert Image.open(tmp_path / "samples" / names[0]).size == (4, 3)


def test_no_pictures_but_the_last_where_none_are_asked_for(tokenizer_training, run, tmp_path):
    run(tokenizer_training(samples=256), tmp_path, pictures=0)
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["000000256.png"]


def test_a_picture_that_cannot_be_drawn_does_not_end_training(tokenizer_training, tmp_path):
    def draw(training):
        raise Unsolved("the sampler came to NaN")

    training = tokenizer_training(samples=256)
    options = TrainerOptions(accelerator="cpu", pictures=1)
    with pytest.warns(match="no picture after 256 samples: the sampler came to NaN"):
        fit(training, tmp_path, options, draw)
    assert training.samples_seen == 256
    assert not (tmp_path / "samples").exists()
