"""The software and the machine that a run is trained by."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

__all__ = ["environment"]

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "diffusers",
    "pytorch-lightning",
    "hydra-core",
    "omegaconf",
    "safetensors",
)
ROOT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, Any]:
    """Describe the command, versions, the project's commit, and the machine, in plain values.

    `commit` is None outside a checkout, and ends in `+changes` where tracked files differ from it.
    """
    return {
        "command": sys.argv,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "system": platform.platform(),
        "host": platform.node(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "cuda": torch.version.cuda,
        "processes": int(os.environ.get("WORLD_SIZE", 1)),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    if not (ROOT / ".git").exists():
        return None
    commit = _git("rev-parse", "HEAD")
    changed = commit and _git("status", "--porcelain", "--untracked-files=no")
    return f"{commit}+changes" if changed else commit


def _git(*arguments: str) -> str | None:
    """Output of git in this checkout; None without git, or where it refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
