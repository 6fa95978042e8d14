"""Evaluate a trained run: python -m eval run=runs/demo/digits [eval.samples=5000] [...]."""

import sys

from ldm.cli import command, take
from ldm.config.compose import ConfigError
from ldm.config.groups import groups


@command(choices=lambda: groups("eval", "sampler"))
def main(arguments: list[str]) -> None:
    """Load the run, score it, and print the scores."""
    own, overrides = take(arguments, run=str)
    if "run" not in own:
        raise ConfigError("name a run folder: run=runs/demo/digits")

    from data.files.whole import check_writable
    from eval.evaluate import evaluate
    from ldm import distributed
    from ldm.report.page import write_report
    from ldm.run.folder import Run
    from ldm.run.loading import load_run
    from ldm.run.parts import build_part

    parts = load_run(own["run"], overrides)
    check_writable(Run(parts.config.run).metrics)
    parts.data.prepare_data()
    build_part(parts.config, "eval").check(parts)
    evaluate(parts)
    if distributed.rank() == 0:
        print(write_report(Run(parts.config.run)))


if __name__ == "__main__":
    main(sys.argv[1:])
