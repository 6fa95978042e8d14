"""Progress of long steps, off a terminal and on one."""

import sys

import pytest

from ldm.progress import progress, tracked, without_progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand: add seconds to its one element."""
    now = [0.0]
    monkeypatch.setattr("ldm.progress.time.perf_counter", lambda: now[0])
    return now


def test_where_there_is_no_terminal_a_line_comes_every_ten_seconds_and_at_the_end(clock, capsys):
    with progress("latents", 4000) as advance:
        for _ in range(4):
            clock[0] += 6
            advance(1000)
    assert capsys.readouterr().out.splitlines() == [
        "latents: 2,000/4,000, 167 a second, 12 s left",
        "latents: 4,000/4,000 in 24 s",
    ]


def test_one_process_of_several_shows_progress(clock, capsys, monkeypatch):
    monkeypatch.setattr("ldm.distributed.rank", lambda: 1)
    with progress("latents", 10) as advance:
        clock[0] += 60
        advance(10)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_there_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("latents", 10) as advance:
        advance(10)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "10/10" in captured.err


def test_nothing_is_shown_of_a_step_within_one_that_shows_its_own(capsys, monkeypatch):
    with without_progress():
        assert list(tracked("features", [1, 2])) == [1, 2]
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        assert list(tracked("features", [1, 2])) == [1, 2]
    assert capsys.readouterr() == ("", "")


def test_batches_are_counted_as_they_are_used(clock, capsys):
    for batch in tracked("features", [1, 2, 3]):
        clock[0] += 6 * batch
    assert capsys.readouterr().out.splitlines() == [
        "features: 2/3, 0.111 a second, 9 s left",
        "features: 3/3 in 36 s",
    ]
