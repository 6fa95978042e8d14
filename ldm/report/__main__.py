"""Write the page report.html of a run again: python -m ldm.report run=runs/demo/digits."""

import sys

from ldm.cli import command, take
from ldm.config.signatures import ConfigError, refuse_unknown


@command
def main(arguments: list[str]) -> None:
    """Write the page of a run, and print its path."""
    own, rest = take(arguments, run=str)
    refuse_unknown("", [argument.partition("=")[0] for argument in rest], ["run"])
    if "run" not in own:
        raise ConfigError("name a run folder: run=runs/demo/digits")

    from ldm.report.page import write_report
    from ldm.run.folder import Run

    print(write_report(Run(own["run"])))


if __name__ == "__main__":
    main(sys.argv[1:])
