"""Analyse a trained run.

python -m ldm.analysis inversion run=runs/demo/digits n=8
python -m ldm.analysis editing run=runs/demo/digits n=8 strength=0.6 condition.label=3 seed=0
python -m ldm.analysis interpolation run=runs/demo/digits n=4 steps=8

Pictures are of data of the test split, in the run's folder, or in `output`.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from data import Batch
from data.images.grid import save_picture
from ldm import distributed
from ldm.analysis.editing import edit
from ldm.analysis.interpolation import interpolate
from ldm.analysis.inversion import Encoding, encode, invert, resample, walker
from ldm.cli import command, take, take_conditions
from ldm.config.signatures import ConfigError, suggest
from ldm.randomness import sample_generators
from ldm.run.experiment import load_run
from ldm.run.parts import Parts

COMMANDS = ("inversion", "editing", "interpolation")


@command
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
    parts = load_run(own["run"], overrides)
    walker(parts).to(distributed.device())
    parts.tokenizer.to(distributed.device())
    parts.data.prepare_data()
    output = Path(own.get("output", parts.config.run)) / f"{name}.png"
    try:
        picture = {"inversion": _inversion, "editing": _editing, "interpolation": _interpolation}[
            name
        ](parts, own, asked)
    except ValueError as error:
        raise ConfigError(f"{name} cannot be done: {error}") from error
    save_picture(output, picture)
    print(output)


def _inversion(parts: Parts, own: dict, asked: dict) -> Tensor:
    """Data, and below it what its noise is sampled to; prints how far the latents came back."""
    batch = _data(parts, own.get("n", 8))
    encoding = encode(parts, batch, torch.Generator().manual_seed(own.get("seed", 0)))
    again, latent = resample(parts, invert(parts, encoding), encoding.told)
    distance = parts.prior.space.on(encoding.told).distance(latent, encoding.latent)
    print(f"distance of latents after there and back: {distance.max().item():.3g} at most")
    return _rows(parts, batch, again)


def _editing(parts: Parts, own: dict, asked: dict) -> Tensor:
    """Data, and below it what it is edited to."""
    n, seed = own.get("n", 8), own.get("seed", 0)
    batch = _data(parts, n)
    encoding = encode(parts, batch, torch.Generator().manual_seed(seed))
    requests = parts.data.requests(range(n), seed, **asked)
    device = encoding.latent.device
    told = {key: requests[key].to(device) for key in asked if key in requests}
    generators = sample_generators(seed, range(n))
    edited = edit(parts, encoding, own.get("strength", 0.5), told, generators)
    return _rows(parts, batch, edited)


def _interpolation(parts: Parts, own: dict, asked: dict) -> Tensor:
    """A row for each pair of data: one, the way between, the other."""
    n, steps = own.get("n", 4), own.get("steps", 8)
    whole = encode(parts, _data(parts, 2 * n), torch.Generator().manual_seed(own.get("seed", 0)))
    latent, told = whole
    first = Encoding(latent[:n], {key: value[:n] for key, value in told.items()})
    second = Encoding(latent[n:], {key: value[n:] for key, value in told.items()})
    return parts.data.show(_on_cpu(interpolate(parts, first, second, steps)), columns=steps)


def _data(parts: Parts, n: int) -> Batch:
    count = min(n, len(parts.data.test_dataset))
    return parts.data.test_dataset.__getitems__(list(range(count)))


def _rows(parts: Parts, above: Batch, below: Batch) -> Tensor:
    below = _on_cpu(below)
    both = {key: torch.cat([above[key], below[key]]) for key in above if key in below}
    return parts.data.show(both, columns=len(above["x"]))


def _on_cpu(batch: Batch) -> Batch:
    moved = {key: value.cpu() for key, value in batch.items()}
    return {key: x.float() if x.is_floating_point() else x for key, x in moved.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
