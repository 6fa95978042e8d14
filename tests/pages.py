"""The commands and files that a page of the documentation prints."""

import multiprocessing
import os
import re
import runpy
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WARM = ["torch._dynamo", "torchvision", "pytorch_lightning", "diffusers", "scipy.stats"]
"""Libraries that most commands import, which takes longer than what they do here."""


def commands(page: Path) -> list[str]:
    """Commands as they are printed: indented by four spaces, comments after two spaces and a #."""
    lines = re.findall(
        r"^    ((?:\w+=\S+ )*(?:python|torchrun|make) .*)$", page.read_text(), flags=re.M
    )
    return [re.sub(r"\s{2,}#.*", "", line).strip() for line in lines]


def files(page: Path) -> dict[str, str]:
    """Contents of the code blocks that follow a line with nothing but a file's name, by name."""
    found = re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", page.read_text(), flags=re.M | re.S)
    return dict(found)


def checkout(folder: Path) -> Path:
    """Lay a folder out as a fresh checkout, by links, so that runs of a page stay within it."""
    for name in ("train.py", "sample.py", "ldm", "data", "eval", "configs"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def run(command: str, folder: Path) -> str:
    """Run a command as printed, in an activated environment; returns what it prints.

    It runs in a process that is forked from one which has imported the libraries; so do the
    processes that torchrun starts.
    """
    words = shlex.split(command)
    start = next(place for place, word in enumerate(words) if "=" not in word)
    given = dict(word.split("=", 1) for word in words[:start])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    first, *words = words[start:]
    if first == "torchrun":
        words = ["-m", "torch.distributed.run", "--run-path", "--start-method", "fork", *words]
    else:
        assert first == "python", command
    return _python(words, folder, {**os.environ, "PATH": path, **given})


def _python(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run `python ...` in a forked process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(WARM)
    with tempfile.TemporaryDirectory() as logs:
        out, err = Path(logs) / "out", Path(logs) / "err"
        process = context.Process(target=_become, args=(words, folder, environment, out, err))
        process.start()
        process.join()
        printed, said = out.read_text(), err.read_text()
    assert process.exitcode == 0, f"python {shlex.join(words)}\n{printed}\n{said}"
    return printed


def _become(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], out: Path, err: Path
) -> None:
    """Turn this process into the interpreter that was asked for."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, log in ((1, out), (2, err)):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), number)
    module = words[0] == "-m"
    home = folder if module else (folder / words[0]).resolve().parent
    elsewhere = [path for path in sys.path if not Path(path or ".").resolve().is_relative_to(ROOT)]
    packages = [path for path in sys.path if "site-packages" in path]
    given = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    own = [home, *(folder / path for path in given)]
    sys.path[:] = [*map(str, own), *dict.fromkeys([*elsewhere, *packages])]
    sys.argv = list(words[1:] if module else words)
    if module:
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(words[0], run_name="__main__")
