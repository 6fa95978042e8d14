r"""Sample from a trained run: a picture of the samples, and files in the field's usual formats.

python sample.py run=runs/demo/digits n=64 seed=0 label=3 sampler=ddim sampler.steps=50 \
    guidance.scale=2 batch_size=32 output=samples

Conditions of the samples are condition.<key>=...; label=3 is short for condition.label=3, and
keep=fragment.sdf, a part of a molecule that all samples have, for condition.keep. A model of
captions is asked by condition.text="a seven"; "[a seven, a three]" are taken in turn, as are those
of condition.text=prompts.txt, one a line. The folder `output` then holds these samples alone, with
samples.json, which says how they were drawn; a picture of the first of them is beside it.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from ldm.cli import command, take, take_conditions
from ldm.config.compose import ConfigError, check_keys
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
        ConfigError: there is no prior, a number is out of range, or the prior reads no such
            condition.
        DataError: the data module does not know such a condition.
    """
    from ldm import distributed
    from ldm.run.sampling import draw_share, gather

    if parts.prior is None:
        raise ConfigError(f"{parts.config.run} has no trained prior to sample from")
    check_numbers(n, batch_size)
    device = distributed.device()
    parts.prior.to(device), parts.tokenizer.to(device)
    drawn = draw_share(parts, n, seed, batch_size, **asked)
    return gather((parts.data.compact(one.batch) for one in drawn), n)


def check_numbers(n: int = 64, batch_size: int = 32, **_: object) -> None:
    """Refuse numbers out of range among a command's arguments.

    Raises:
        ConfigError: with the numbers.
    """
    if n < 1 or batch_size < 1:
        raise ConfigError(f"n and batch_size must be 1 or more, got {n} and {batch_size}")


def save(parts: "Parts", folder: Path, samples: "Batch", **asked: Any) -> Path:
    """Write samples to a folder of their own, and beside it a picture of the first.

    Args:
        parts: that the samples were drawn from.
        folder: holds these samples alone afterwards.
        samples: from `sample`.
        **asked: how they were drawn, for the record.

    Returns:
        The path of the picture: a PNG, or a GIF of clips, with an MP4 of the same name.

    Raises:
        DataError: the folder holds other files, or cannot be written.
    """
    from data.files.exact import write_exact
    from data.images.grid import save_picture

    asked |= {
        key: _plain(parts.config.get(key)) for key in ("run", "sampler", "guidance", "sampling")
    }
    if "keep" in asked:
        asked["inpainting"] = _plain(parts.config.inpainting)
    write_exact(folder, lambda part: parts.data.save(part, samples), n=len(samples["x"]), **asked)
    path = folder.with_name(f"{folder.resolve().name}-overview.png")
    # The picture comes last: those of points need the data, which may be missing on this machine.
    first = {key: value[: parts.data.overview] for key, value in samples.items()}
    return save_picture(path, parts.data.show(first))[0]


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node


@command(choices=lambda: groups("sampler"))
def main(arguments: list[str]) -> None:
    """Draw samples and write them to `output`."""
    own, overrides = take(
        arguments, run=str, n=int, seed=int, label=int, keep=str, batch_size=int, output=str
    )
    asked, overrides = take_conditions(overrides)
    asked |= {key: own.pop(key) for key in ("label", "keep") if key in own}
    if "run" not in own:
        raise ConfigError("name a run folder: run=runs/demo/digits")
    check_numbers(**own)  # fail before anything is loaded
    check_keys(own["run"], overrides)

    from data.files.exact import check_exact
    from ldm import distributed
    from ldm.run.loading import load_run

    run = own.pop("run")
    output = Path(own.pop("output", Path(run) / "samples")).expanduser()
    parts = load_run(run, overrides)
    check_exact(output)
    distributed.join()
    samples = sample(parts, own.pop("n", 64), **own, **asked)
    if distributed.rank() == 0:
        picture = save(parts, output, samples, **own, **asked)
        print(f"{len(samples['x'])} samples: {output}, the first shown in {picture}")


if __name__ == "__main__":
    main(sys.argv[1:])
