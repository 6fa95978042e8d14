r"""Sample from a trained run: a picture of the samples, and files in the field's usual formats.

python sample.py run=runs/demo/digits n=64 seed=0 label=3 sampler=ddim sampler.steps=50 \
    guidance.scale=2 batch_size=32 output=samples

Conditions of the samples are condition.<key>=...; label=3 is short for condition.label=3.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ldm.cli import command, take, take_conditions
from ldm.config.compose import ConfigError
from ldm.config.groups import groups

if TYPE_CHECKING:
    from data import Batch
    from ldm.run.parts import Parts


def sample(parts: "Parts", n: int, seed: int = 0, batch_size: int = 32, **asked: Any) -> "Batch":
    """Draw samples 0 to n - 1 of a seed; returns them, compact, with their conditions.

    Ranks share the work; every rank returns all samples.

    Args:
        parts: with a prior.
        n: number of samples.
        seed: of the whole set.
        batch_size: samples drawn at once, on each rank.
        **asked: conditions of all samples, such as `label`; by default labels cycle through the
            classes.

    Raises:
        ConfigError: there is no prior, or a number is out of range.
        DataError: the data module does not know such a condition.
    """
    from ldm import distributed
    from ldm.run.sampling import draw_share, gather

    if parts.prior is None:
        raise ConfigError(f"{parts.config.run} has no trained prior to sample from")
    check_numbers(n, seed, batch_size)
    device = distributed.device()
    parts.prior.to(device), parts.tokenizer.to(device)
    drawn = draw_share(parts, n, seed, batch_size, **asked)
    return gather((parts.data.compact(one.batch) for one in drawn), n)


def check_numbers(n: int = 64, seed: int = 0, batch_size: int = 32, **_: object) -> None:
    """Refuse numbers out of range among a command's arguments.

    Raises:
        ConfigError: with the numbers.
    """
    if n < 1 or batch_size < 1:
        raise ConfigError(f"n and batch_size must be 1 or more, got {n} and {batch_size}")
    if seed < 0:
        raise ConfigError(f"seed must not be negative, got {seed}")


@command(choices=lambda: groups("sampler"))
def main(arguments: list[str]) -> None:
    """Draw samples and write them to `output`."""
    own, overrides = take(
        arguments, run=str, n=int, seed=int, label=int, batch_size=int, output=str
    )
    asked, overrides = take_conditions(overrides)
    if "label" in own:
        asked["label"] = own.pop("label")
    if "run" not in own:
        raise ConfigError("name a run folder: run=runs/demo/digits")
    check_numbers(**own)  # fail before anything is loaded

    from ldm import distributed
    from ldm.run.experiment import load_run

    distributed.join()
    parts = load_run(own.pop("run"), overrides)
    output = Path(own.pop("output", Path(parts.config.run) / "samples"))
    samples = sample(parts, own.pop("n", 64), **own, **asked)
    if distributed.rank() == 0:
        parts.data.save(output, samples)
        print(f"{len(samples['x'])} samples: {output}, shown in {output / 'samples.png'}")


if __name__ == "__main__":
    main(sys.argv[1:])
