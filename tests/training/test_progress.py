"""Progress of training as a person sees it."""

import re
import sys

import pytest
import torch

from ldm.training import TrainerOptions
from ldm.training.fit import fit


def test_where_there_is_no_terminal_lines_say_how_far_it_is(
    tokenizer_training, run, tmp_path, capsys
):
    run(tokenizer_training(samples=256), tmp_path / "tokenizer")
    lines = [line for line in capsys.readouterr().out.splitlines() if "samples," in line]
    assert [line.split(",")[0] for line in lines] == [
        f"tokenizer: {seen}/256 samples" for seen in (64, 128, 192, 256)
    ]
    numbers = r"loss [\d.]+, [\d,]+ samples/s, [\d,]+ s left, outside \d+%, [\d.]+ GiB"
    assert all(re.search(numbers, line) for line in lines)


def test_records_and_pictures_are_outside_the_steps(
    tokenizer_training, tmp_path, capsys, monkeypatch
):
    now = [0.0]
    monkeypatch.setattr("ldm.training.progress.time.perf_counter", lambda: now[0])

    def passing(seconds, value):
        now[0] += seconds
        return value

    training = tokenizer_training(samples=256)
    optimize = training.optimize
    training.optimize = lambda *batch: passing(1, optimize(*batch))
    options = TrainerOptions("cpu", pictures=4, records=4)
    picture = torch.zeros(3, 2, 2)
    draw, score = lambda _: passing(5, picture), lambda _: passing(4, {"running": 0.0})
    fit(training, tmp_path, options, draw, running=score)
    last = capsys.readouterr().out.splitlines()[-1]
    assert "outside 87%" in last  # 3 records and pictures of 9 s, and 4 steps of 1 s


@pytest.mark.parametrize("fails", [False, True])
def test_on_a_terminal_a_bar_ends_with_the_training(
    tokenizer_training, run, tmp_path, capsys, monkeypatch, fails
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    training = tokenizer_training(samples=256)
    if fails:
        training.schedule = lambda seen, total: 1 if seen < 128 else 1 / 0
        with pytest.raises(ZeroDivisionError):
            run(training, tmp_path / "tokenizer")
    else:
        run(training, tmp_path / "tokenizer")
        assert "256/256" in capsys.readouterr().err
    progress = next(c for c in training.trainer.callbacks if hasattr(c, "bar"))
    assert progress.bar.finished == (not fails)
    assert not progress.bar.live.is_started
