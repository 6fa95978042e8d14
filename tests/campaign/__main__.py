"""Trials of what a run survives, on real processes: `make campaign` prints a table of them.

PYTHONPATH=tests python -m campaign [writers] [options] [records] ...

All parts take the better part of an hour. Disks are filled on a tmpfs, which only root can mount.
"""

import sys
import tempfile
from pathlib import Path

from campaign.disks import disks
from campaign.evaluations import evaluations
from campaign.options import options
from campaign.processes import Failed
from campaign.ranks import ranks
from campaign.records import records
from campaign.signals import chain, interruptions
from campaign.writers import writers

PARTS = {
    part.__name__: part
    for part in (writers, options, evaluations, ranks, records, disks, chain, interruptions)
}


def main(names: list[str]) -> int:
    """Run the named parts, or all; returns how many trials failed."""
    failed = tried = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names or PARTS:
            try:
                for trial, outcome in PARTS[name](Path(folder) / name):
                    tried += 1
                    failed += outcome.startswith("FAILED")
                    print(f"{trial:64} {outcome}", flush=True)
            except Failed as failure:
                failed += 1
                print(f"{name:64} FAILED: {failure}", flush=True)
    print(f"{failed} of {tried} failed")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
