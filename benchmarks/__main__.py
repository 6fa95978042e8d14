"""Run all, or the named, benchmarks and print one table.

python -m benchmarks [name ...]
"""

import importlib
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

NAMES = sorted(p.stem for p in Path(__file__).parent.glob("[a-z]*.py"))


def main(chosen: list[str]) -> None:
    """Run the chosen benchmarks, by default all, and print one table."""
    if unknown := set(chosen) - set(NAMES):
        sys.exit(f"no benchmark {', '.join(unknown)}: choose from {', '.join(NAMES)}")
    table = Table(title=f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for column in ("what", "ours", "baseline", "time of ours / baseline", "faster", "target"):
        table.add_column(column)
    for name in chosen or NAMES:
        for what, ours, baseline, against, target in importlib.import_module(
            f"benchmarks.{name}"
        ).rows():
            table.add_row(
                what,
                f"{ours * 1e3:,.1f} ms",
                f"{baseline * 1e3:,.1f} ms ({against})",
                f"{ours / baseline:.3f}",
                f"{baseline / ours:.1f}x",
                target,
            )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
