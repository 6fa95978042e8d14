"""Sample from a trained run: PNGs, a grid, and samples.npz as the ADM evaluation suite reads it.

python sample.py run=runs/demo/digits n=64 seed=0 label=3 sampler=ddim sampler.steps=50 \
    guidance.scale=2 batch_size=32 output=samples
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torchvision.utils import save_image

from eval.metrics.pixels import to_uint8
from ldm import distributed
from ldm.build import Parts, generate
from ldm.commands import command, take
from ldm.config import ConfigError
from ldm.experiment import load_run
from ldm.hub.files import write_whole
from ldm.training.pictures import save_grid
from ldm.training.progress import progress_bar


@torch.no_grad()
def sample(
    parts: Parts, n: int, seed: int = 0, label: int | None = None, batch_size: int = 32
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images of samples 0 to n - 1 of a seed: `(n, h, w, c)` bytes, and their labels.

    Without a label, the classes take turns. Ranks share the work; all return the whole.
    """
    if parts.prior is None:
        raise ConfigError(f"{parts.config.run} has no trained prior to sample from")
    if n < 1 or batch_size < 1:
        raise ConfigError(f"n and batch_size must be 1 or more, got {n} and {batch_size}")
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
    images = []
    with progress_bar() as bar:
        task = bar.add_task("samples", total=len(mine), remarks="")
        for part in mine.split(batch_size):
            x = generate(parts, part.tolist(), None if labels is None else labels[part], seed)
            images.append(to_uint8(x.float()).cpu())
            bar.update(task, advance=len(part))
    whole = distributed.interleave(torch.cat(images), n)
    return whole.permute(0, 2, 3, 1).numpy(), None if labels is None else labels.numpy()


@command
def main(arguments: list[str]) -> None:
    """Draw, and write to `output`."""
    own, overrides = take(
        arguments, run=str, n=int, seed=int, label=int, batch_size=int, output=str
    )
    if "run" not in own:
        raise ConfigError("name a run folder: run=runs/demo/digits")
    distributed.join()
    parts = load_run(own.pop("run"), overrides)
    output = Path(own.pop("output", Path(parts.config.run) / "samples"))
    images, labels = sample(parts, own.pop("n", 64), **own)
    if distributed.rank() == 0:
        write(output, images, labels)
        print(f"{len(images)} samples: {output / 'samples.npz'}, {output / 'samples.png'}")


def write(output: Path, images: np.ndarray, labels: np.ndarray | None) -> None:
    """`00000.png` and on, `samples.png` with all of the first hundred, `samples.npz`."""
    output.mkdir(parents=True, exist_ok=True)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255)
    for number, image in enumerate(pixels):
        save_image(image, output / f"{number:05d}.png")
    save_grid(output / "samples.png", pixels[:100].mul(2).sub(1))
    # In the ADM layout: colour images under arr_0, labels under arr_1.
    colour = np.repeat(images, 3, -1) if images.shape[-1] == 1 else images
    arrays = {"arr_0": colour} | ({} if labels is None else {"arr_1": labels})

    def save(path: Path) -> None:
        with open(path, "wb") as file:
            np.savez(file, **arrays)

    write_whole(output / "samples.npz", save)


if __name__ == "__main__":
    main(sys.argv[1:])
