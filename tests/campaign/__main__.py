"""Trials of what a run survives, on real processes: `make campaign` prints a table of them.

PYTHONPATH=tests python -m campaign [interruptions] [disks] [writers]

It takes half an hour or more. Disks are filled on a tmpfs, which only root can mount.
"""

import sys
import tempfile
from pathlib import Path

from campaign.disks import disks
from campaign.processes import Failed
from campaign.signals import interruptions
from campaign.writers import writers

PARTS = {"writers": writers, "disks": disks, "interruptions": interruptions}


def main(names: list[str]) -> int:
    """Run the named parts, or all; returns how many trials failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names or PARTS:
            try:
                for trial, outcome in PARTS[name](Path(folder) / name):
                    failed += outcome.startswith("FAILED")
                    print(f"{trial:64} {outcome}", flush=True)
            except Failed as failure:
                failed += 1
                print(f"{name:64} FAILED: {failure}", flush=True)
    print(f"{failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
