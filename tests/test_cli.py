"""The commands' exit codes, arguments and help."""

import errno

import pytest
from pytorch_lightning.utilities.exceptions import SIGTERMException

import eval.__main__
import sample
import train
from data.files.whole import StorageFull
from ldm.cli import command, take
from ldm.config.compose import ConfigError
from ldm.training import Diverged


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (StorageFull(errno.ENOSPC, "x"), 2),
        (PermissionError(errno.EACCES, "x"), 2),
        (Diverged("x"), 1),
    ],
)
def test_errors_that_a_user_can_mend_are_messages(capsys, error, code):
    def main(arguments):
        raise error

    with pytest.raises(SystemExit) as stopped:
        command(main)([])
    assert stopped.value.code == code
    assert capsys.readouterr().err == f"error: {error}\n"


@pytest.mark.parametrize(("rank", "code"), [(0, 143), (1, 0), (3, 0)])
def test_told_to_stop_only_the_first_rank_fails(capsys, monkeypatch, rank, code):
    def main(arguments):
        raise SIGTERMException

    monkeypatch.setattr("ldm.distributed.rank", lambda: rank)
    with pytest.raises(SystemExit) as stopped:
        command(main)([])
    assert stopped.value.code == code
    assert ("state saved" in capsys.readouterr().err) == (rank == 0)


def test_errors_of_ours_keep_their_traceback():
    def main(arguments):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command(main)([])


def test_a_commands_own_arguments_are_taken_by_kind():
    own, rest = take(["n=3", "a.b=4", "run=x=y", "flag"], n=int, run=str)
    assert own == {"n": 3, "run": "x=y"}
    assert rest == ["a.b=4", "flag"]
    with pytest.raises(ConfigError, match="n must be int, got 'many'"):
        take(["n=many"], n=int)


@pytest.mark.parametrize("main", [train.main, sample.main, eval.__main__.main])
def test_help_is_how_a_command_is_called(main, capsys):
    main(["--help"])
    assert "python " in capsys.readouterr().out
