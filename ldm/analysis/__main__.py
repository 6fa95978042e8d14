"""Analyse a trained run.

python -m ldm.analysis inversion run=runs/demo/digits n=8
python -m ldm.analysis editing run=runs/demo/digits n=8 strength=0.6 condition.label=3 seed=0
python -m ldm.analysis interpolation run=runs/demo/digits n=4 steps=8

Pictures are of data of the test split, in the run's folder, or in `output`.

python -m ldm.analysis reconstruct run=runs/demo/digits split=train n=100 output=again
python -m ldm.analysis encode run=runs/demo/digits files=pictures output=latents.safetensors
python -m ldm.analysis decode run=runs/demo/digits latents=latents.safetensors output=decoded

write files. In every analysis, split=train names another split, and files=... a folder of images
instead, or of videos and folders of frames, whose labels are condition.label=... or else 0, 1, ...
"""

import sys
from pathlib import Path

from ldm.cli import command, take, take_conditions
from ldm.config.compose import check_keys
from ldm.config.groups import groups
from ldm.config.signatures import ConfigError, suggest

PICTURES = ("inversion", "editing", "interpolation")
CODING = ("reconstruct", "encode", "decode")


@command(choices=lambda: {"analysis": (*PICTURES, *CODING), **groups("sampler")})
def main(arguments: list[str]) -> None:
    """Load a run, analyse it, and write a picture, or files."""
    name, *rest = arguments or [""]
    if name not in (*PICTURES, *CODING):
        raise ConfigError(f"no analysis {name!r}{suggest(name, (*PICTURES, *CODING))}")
    kinds = {"run": str, "n": int, "seed": int, "output": str, "strength": float, "steps": int}
    kinds |= {"files": str, "split": str, "latents": str}
    own, rest = take(rest, **kinds)
    asked, overrides = take_conditions(rest)
    if "run" not in own:
        raise ConfigError("name a run folder: run=runs/demo/digits")
    if own.get("n", 8) < 1 or own.get("steps", 8) < 2:
        raise ConfigError("n must be 1 or more and steps 2 or more")
    check_keys(own["run"], overrides)

    from data.files.whole import check_writable
    from data.images.grid import save_picture
    from ldm import distributed
    from ldm.analysis import coding, pictures
    from ldm.analysis.inversion import walker
    from ldm.run.loading import load_run

    parts = load_run(own["run"], overrides)
    parts.tokenizer.to(distributed.device())
    parts.data.prepare_data()
    if name in CODING:
        print(getattr(coding, name)(parts, own, asked))
        return
    walker(parts).to(distributed.device())
    output = Path(own.get("output", parts.config.run)) / f"{name}.png"
    check_writable(output)
    try:
        picture = getattr(pictures, name)(parts, own, asked)
    except ValueError as error:
        raise ConfigError(f"{name} cannot be done: {error}") from error
    print(save_picture(output, picture)[0])


if __name__ == "__main__":
    main(sys.argv[1:])
