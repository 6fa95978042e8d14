"""Every command that the page on molecules prints is understood as it is printed."""

import shlex

import pages
import pytest

from eval.reproduce import reproduce
from ldm.cli import take, take_conditions
from ldm.config.compose import compose, overridden

COMMANDS = [shlex.split(one) for one in pages.commands(pages.ROOT / "docs" / "molecules.md")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_set_what_there_is(words):
    name, *arguments = [word for word in words[1:] if word != "-m"]
    if name == "train.py":
        assert compose(arguments).stages
    elif name == "eval.reproduce":
        assert reproduce(*arguments)
    else:
        kinds = {"run": str, "name": str, "n": int, "output": str}
        own, rest = take(arguments, **kinds)
        overrides = take_conditions(rest)[1]
        run = compose([f"experiment={own['run'].removeprefix('runs/')}"])
        assert overridden(run, overrides).stages == run.stages
