"""The examples in docstrings run as they are printed, with the names of their modules."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
FILES = [path for package in ("ldm", "data", "eval") for path in (ROOT / package).rglob("*.py")]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(FILES)
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    found = doctest.DocTestFinder().find(importlib.import_module(name))
    examples = [test for test in found if test.examples]
    assert examples
    if any("import igl" in test.docstring for test in examples):
        pytest.importorskip("igl")
    runner, said = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS), []
    for test in examples:
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)
