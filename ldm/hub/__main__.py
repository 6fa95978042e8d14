"""Bring weights in, and take them out.

python -m ldm.hub list
python -m ldm.hub import FILE_OR_NAME --as LAYOUT output=FOLDER [data=...] [key=value ...]
python -m ldm.hub export RUN --as LAYOUT output=FOLDER [stage=...]
python -m ldm.hub latents RUN output=FOLDER [data...=...]
python -m ldm.hub tensors FILE output=FILE

LAYOUT is diffusers, compvis, taming, gsq, wf_vae, ldm, dit, sit, lightningdit, pvdm, or edm, which
is also GeoLDM's. The last two need an experiment=..., such as edm/qm9, for what the network was
trained on. A folder that was imported is a run folder: give it as tokenizer.checkpoint or
prior.checkpoint, or sample from it.
The scale of a tokenizer's latents is measured on the named data (measure=true), or given by
scaling_factor=, shift_factor=, latents_mean= and latents_std= as in diffusers, or by
latents_stats=, a file of a mean and a std. `latents` writes those of a run's training data in
LightningDiT's shards, on which prior.training.latent_shards=FOLDER trains. `tensors` writes the
weights of a file that pickles Python objects beside them as safetensors, and runs nothing of the
file. See docs/weights.md.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from ldm.cli import command, take
from ldm.config.compose import ConfigError
from ldm.config.signatures import suggest

COMMANDS = ("list", "import", "export", "latents", "tensors")
NUMBERS = ("scaling_factor", "shift_factor", "latents_mean", "latents_std")


@command
def main(arguments: list[str]) -> None:
    """List what is published, bring weights in, or take them out."""
    name, *rest = arguments or [""]
    if name not in COMMANDS:
        raise ConfigError(f"no command {name!r}{suggest(name, COMMANDS)}")
    does = _list, _import, _export, _latents, _tensors
    for line in dict(zip(COMMANDS, does, strict=True))[name](rest):
        print(line)


def _list(rest: list[str]) -> list[str]:
    from ldm.hub.published import PUBLISHED, cached

    if rest:
        raise ConfigError(f"list takes no arguments, got {' '.join(rest)}")
    lines = []
    for name, published in PUBLISHED.items():
        place = cached(name)
        where = f"here: {place}" if place else f"to fetch: {published.url}"
        lines += [name, f"  {published.note}", f"  {where}"]
        if published.config:
            stage = published.config.partition("=")[0]
            lines.append(f"  use: {published.config} {stage}.checkpoint=hub:{name}")
    return lines


def _import(rest: list[str]) -> list[str]:
    from ldm.run.exchange.imports import import_weights
    from ldm.run.exchange.scales import read_statistics
    from ldm.run.folder import Run

    source, layout, rest = _positions(rest)
    kinds = dict.fromkeys((*NUMBERS, "measure"), _value)
    own, overrides = take(rest, output=str, latents_stats=str, **kinds)
    statistics = {key: own[key] for key in NUMBERS if key in own}
    if path := own.get("latents_stats"):
        statistics |= read_statistics(path)
    run = Run(_output(own))
    return [*import_weights(source, layout, run, overrides, statistics, own.get("measure"))]


def _export(rest: list[str]) -> list[str]:
    from ldm.run.exchange.exports import export_weights
    from ldm.run.loading import load_run

    source, layout, rest = _positions(rest)
    own, overrides = take(rest, output=str, stage=str)
    folder = _output(own)
    return export_weights(load_run(source, overrides), layout, folder, own.get("stage"))


def _latents(rest: list[str]) -> list[str]:
    from ldm.run.exchange.latents import export_latents
    from ldm.run.loading import load_run

    own, rest = take(rest, output=str)
    if not rest or "=" in rest[0]:
        raise ConfigError("name the run whose training data is encoded")
    folder = _output(own)
    return export_latents(load_run(rest[0], rest[1:]), folder)


def _tensors(rest: list[str]) -> list[str]:
    from ldm.hub.pickles import write_tensors

    own, rest = take(rest, output=str)
    if len(rest) != 1:
        raise ConfigError(f"tensors takes one file and output=..., got {' '.join(rest) or 'none'}")
    return write_tensors(Path(rest[0]), Path(_output(own, "file")))


def _positions(rest: list[str]) -> tuple[str, str, list[str]]:
    """Split the arguments into what stands before `--as`, the layout, and `key=value`."""
    from ldm.hub.layouts import LAYOUTS

    place = rest.index("--as") if "--as" in rest else -1
    layout = rest[place + 1] if 0 <= place < len(rest) - 1 else ""
    if layout not in LAYOUTS:
        raise ConfigError(f"say which layout, --as {' | '.join(LAYOUTS)}, got {layout!r}")
    source, *others = [*rest[:place], *rest[place + 2 :], ""]
    if not source or source.startswith("output="):
        raise ConfigError("name first what to read: a file, a folder, or a published name")
    return source, layout, others[:-1] if others else []


def _output(own: dict[str, Any], kind: str = "folder") -> str:
    if not own.get("output"):
        raise ConfigError(f"name the {kind} to write: output=...")
    return own["output"]


def _value(text: str) -> Any:
    """Read a number, a list of numbers, true or false."""
    return yaml.safe_load(text)


if __name__ == "__main__":
    main(sys.argv[1:])
