"""The commands and files that a page of the documentation prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


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
    """Run a command as printed, in an activated environment; returns what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
