"""Every command that a study prints is understood as it is printed."""

import shlex

import pages
import pytest

from ldm.config.compose import compose
from ldm.config.sweeps import jobs, swept

STUDIES = sorted((pages.ROOT / "docs" / "studies").glob("*.md"))
COMMANDS = [shlex.split(one) for page in STUDIES for one in pages.commands(page)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_set_what_there_is(words):
    python, script, *arguments = words
    assert (python, script) == ("python", "train.py")
    keys = []
    if arguments[0] == "--multirun":
        del arguments[0]
        assert (keys := swept(arguments))
    for job in (jobs(arguments)[0], jobs(arguments)[-1]):
        assert compose(job, keys).stages
