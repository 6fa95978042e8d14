"""Pictures while training, on disk."""

from PIL import Image


def test_pictures_are_written_while_training_and_at_its_end(tokenizer_training, run, tmp_path):
    run(tokenizer_training(samples=480), tmp_path, pictures=2)
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["000000256.png", "000000512.png"]
    assert Image.open(tmp_path / "samples" / names[0]).size == (4, 3)


def test_no_pictures_but_the_last_where_none_are_asked_for(tokenizer_training, run, tmp_path):
    run(tokenizer_training(samples=256), tmp_path, pictures=0)
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["000000256.png"]
