"""The examples in docstrings run as they are printed."""

import doctest
import importlib
import pkgutil

import pytest
import torch
from torch import nn

PACKAGES = ("ldm", "data", "eval")
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def _modules() -> list[str]:
    """Names of the modules whose source has examples; those are not imported yet."""
    found = []
    for package in PACKAGES:
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            source = module.module_finder.find_spec(module.name).loader.get_source(module.name)
            if ">>> " in source:
                found.append(module.name)
    return found


@pytest.mark.parametrize("name", _modules())
def test_examples_give_what_they_say(name):
    module = importlib.import_module(name)
    examples = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert examples
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    for test in examples:
        output = []
        runner.run(test, out=output.append)
        assert not runner.failures, "".join(output)
