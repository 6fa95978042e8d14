"""The commands' exit codes, arguments and help."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import eval.__main__
import eval.reproduce
import ldm.analysis.__main__
import sample
import train
from data.files.full import StorageFull
from ldm.cli import command, take, take_conditions
from ldm.config.compose import ConfigError
from ldm.stopping import Stopped
from ldm.training import Diverged

ROOT = Path(__file__).resolve().parents[1]


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


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("3", 3),
        ("[a, 3]", ["a", 3]),
        ('a sign: "stop"', 'a sign: "stop"'),
        ("it's {blue}: 'x", "it's {blue}: 'x"),
        ("- a", "- a"),
    ],
)
def test_conditions_are_numbers_lists_and_sentences(given, read):
    assert take_conditions([f"condition.text={given}", "n=3"]) == ({"text": read}, ["n=3"])


def test_a_list_of_conditions_without_its_end_is_refused():
    with pytest.raises(ConfigError, match=r"condition\.text cannot be read"):
        take_conditions(["condition.text=[a, b"])


@pytest.mark.parametrize(
    ("rank", "kept", "code"), [(0, "state saved", 143), (0, "", 143), (1, "state saved", 0)]
)
def test_told_to_stop_only_the_first_rank_says_so(capsys, monkeypatch, rank, kept, code):
    def main(arguments):
        raise Stopped(signal.SIGTERM, kept)

    monkeypatch.setenv("LOCAL_RANK", str(rank))
    with pytest.raises(SystemExit) as stopped:
        command(main)([])
    assert stopped.value.code == code
    said = capsys.readouterr().err
    assert ("stopped by SIGTERM, " + (kept or "what was finished is kept") in said) == (rank == 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_a_command_in_words_whatever_catches_errors(capsys, number, code):
    def main(arguments):
        with contextlib.suppress(Exception):
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as stopped:
        command(main)([])
    assert stopped.value.code == code
    message = f"error: stopped by {signal.Signals(number).name}, what was finished is kept"
    assert capsys.readouterr().err.startswith(message)
    assert signal.getsignal(number) == before


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


@pytest.mark.parametrize(
    ("main", "choices"),
    [
        (train.main, ["  experiment: ", "delta_vae/r2,", "demo/digits,", "  trainer: auto, cpu,"]),
        (sample.main, ["  sampler: adaptive_ode, ddim,"]),
        (eval.__main__.main, ["  eval: classifier,", "  sampler: adaptive_ode,"]),
        (eval.reproduce.main, ["  table: compvis,"]),
        (ldm.analysis.__main__.main, ["  analysis: inversion,", "  sampler: adaptive_ode,"]),
    ],
)
def test_help_is_how_a_command_is_called_and_what_there_is_to_choose(main, choices, capsys):
    main(["--help"])
    printed = capsys.readouterr().out
    assert "python " in printed
    assert [one for one in choices if one not in printed] == []


SLOW = {"torch", "pytorch_lightning", "diffusers", "torchvision", "torchmetrics", "scipy"}


@pytest.mark.parametrize(
    "call",
    [
        "train.main(['--help'])",
        "sample.main(['--help'])",
        "eval.__main__.main(['--help'])",
        "eval.reproduce.main(['--help'])",
        "ldm.analysis.__main__.main(['--help'])",
        "ldm.hub.__main__.main(['--help'])",
        "ldm.report.__main__.main(['--help'])",
        "train.main(['experiment=demo/digits', 'tokenizer.bottlneck.groups=4'])",
        "train.main(['experiment=demo/digts'])",
        "sample.main(['run=none', 'n=0'])",
        "sample.main([RUN, 'sampler.stepz=3', 'guidnce.scale=2'])",
        "eval.__main__.main([RUN, 'evil.samples=3'])",
        "eval.__main__.main(['-m', RUN, 'guidance.scael=1,2'])",
        "ldm.analysis.__main__.main(['inversion', RUN, 'guidance.scael=1'])",
    ],
)
def test_help_and_misspelt_keys_do_not_wait_for_imports(call, tmp_path):
    (tmp_path / "prior").mkdir()
    kept = {"sampler": {"steps": 3}, "guidance": {"scale": 1.0}, "eval": {"samples": 4}}
    OmegaConf.save(kept, tmp_path / "prior" / "config.yaml")
    call = call.replace("RUN", f"'run={tmp_path}'")
    code = f"""
import sys, train, sample, eval.__main__, eval.reproduce
import ldm.analysis.__main__, ldm.hub.__main__, ldm.report.__main__
try:
    {call}
except SystemExit as stopped:
    assert stopped.code == 2
print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(done.stderr.split()) & SLOW == set()
