"""Sample from a trained run: a picture of the samples, and files for the programs of the field.

python sample.py run=runs/demo/digits n=64 seed=0 label=3 sampler=ddim sampler.steps=50 \
    guidance.scale=2 batch_size=32 output=samples
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from ldm import distributed
from ldm.cli import command, take
from ldm.config.compose import ConfigError
from ldm.run.experiment import load_run
from ldm.run.parts import Parts, generate
from ldm.training.progress import progress_bar


@torch.no_grad()
def sample(
    parts: Parts, n: int, seed: int = 0, label: int | None = None, batch_size: int = 32
) -> tuple[Tensor, Tensor | None]:
    """Samples 0 to n - 1 of a seed, in the form that the data is stored in, and their labels.

    Without a label, the classes take turns. Ranks share the work; all return the whole.
    """
    if parts.prior is None:
        raise ConfigError(f"{parts.config.run} has no trained prior to sample from")
    check_numbers(n, seed, batch_size)
    classes = parts.data.classes
    if label is not None and not classes:
        raise ConfigError(f"label={label}, but {parts.data.name} has no classes")
    if label is not None and not 0 <= label < classes:
        raise ConfigError(f"label must be one of 0 to {classes - 1}, got {label}")
    device = distributed.device()
    parts.prior.to(device), parts.tokenizer.to(device)
    indices = torch.arange(n)
    labels = (indices % classes if label is None else indices * 0 + label) if classes else None
    # A rank without samples of its own draws one more, which nobody keeps.
    mine = indices[distributed.rank() % n :: distributed.world()]
    samples = []
    with progress_bar() as bar:
        task = bar.add_task("samples", total=len(mine), remarks="")
        for part in mine.split(batch_size):
            x = generate(parts, part.tolist(), None if labels is None else labels[part], seed)
            samples.append(parts.data.stored(x.float()).cpu())
            bar.update(task, advance=len(part))
    return distributed.interleave(torch.cat(samples), n), labels


def check_numbers(n: int = 64, seed: int = 0, batch_size: int = 32, **_: object) -> None:
    """Refuse numbers of no use, among a command's arguments.

    Raises:
        ConfigError: says which.
    """
    if n < 1 or batch_size < 1:
        raise ConfigError(f"n and batch_size must be 1 or more, got {n} and {batch_size}")
    if seed < 0:
        raise ConfigError(f"seed must not be negative, got {seed}")


@command
def main(arguments: list[str]) -> None:
    """Draw, and write to `output`."""
    own, overrides = take(
        arguments, run=str, n=int, seed=int, label=int, batch_size=int, output=str
    )
    if "run" not in own:
        raise ConfigError("name a run folder: run=runs/demo/digits")
    check_numbers(**own)  # before anything is loaded
    distributed.join()
    parts = load_run(own.pop("run"), overrides)
    output = Path(own.pop("output", Path(parts.config.run) / "samples"))
    samples, labels = sample(parts, own.pop("n", 64), **own)
    if distributed.rank() == 0:
        parts.data.save_samples(output, samples, labels)
        print(f"{len(samples)} samples: {output}, shown in {output / 'samples.png'}")


if __name__ == "__main__":
    main(sys.argv[1:])
