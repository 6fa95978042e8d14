"""Analyse a trained run.

python -m ldm.analysis inversion run=runs/demo/digits n=8
python -m ldm.analysis editing run=runs/demo/digits n=8 strength=0.6 condition.label=3 seed=0
python -m ldm.analysis interpolation run=runs/demo/digits n=4 steps=8

Pictures are of data of the test split, in the run's folder, or in `output`.
"""

import sys
from pathlib import Path

from ldm.cli import command, take, take_conditions
from ldm.config.groups import groups
from ldm.config.signatures import ConfigError, suggest

COMMANDS = ("inversion", "editing", "interpolation")


@command(choices=lambda: {"analysis": COMMANDS, **groups("sampler")})
def main(arguments: list[str]) -> None:
    """Load a run, analyse it, and write a picture."""
    name, *rest = arguments or [""]
    if name not in COMMANDS:
        raise ConfigError(f"no analysis {name!r}{suggest(name, COMMANDS)}")
    kinds = {"run": str, "n": int, "seed": int, "output": str, "strength": float, "steps": int}
    own, rest = take(rest, **kinds)
    asked, overrides = take_conditions(rest)
    if "run" not in own:
        raise ConfigError("name a run folder: run=runs/demo/digits")
    if own.get("n", 8) < 1 or own.get("steps", 8) < 2:
        raise ConfigError("n must be 1 or more and steps 2 or more")

    from data.files.whole import check_writable
    from data.images.grid import save_picture
    from ldm import distributed
    from ldm.analysis import pictures
    from ldm.analysis.inversion import walker
    from ldm.run.loading import load_run

    parts = load_run(own["run"], overrides)
    walker(parts).to(distributed.device())
    parts.tokenizer.to(distributed.device())
    parts.data.prepare_data()
    output = Path(own.get("output", parts.config.run)) / f"{name}.png"
    check_writable(output)
    try:
        picture = getattr(pictures, name)(parts, own, asked)
    except ValueError as error:
        raise ConfigError(f"{name} cannot be done: {error}") from error
    save_picture(output, picture)
    print(output)


if __name__ == "__main__":
    main(sys.argv[1:])
