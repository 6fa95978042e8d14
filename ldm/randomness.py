"""Random generators seeded by progress, so that results do not depend on history.

A training step draws from `step_generator(seed, rank, samples seen)`, so a resumed run draws the
same numbers as an uninterrupted one. Each generated sample has its own generator from
`sample_generators`, so it does not depend on the batch size or the number of devices.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

__all__ = [
    "Generators",
    "fold",
    "normal",
    "normal_rows",
    "sample_generators",
    "step_generator",
    "uniform",
]

Generators = Generator | Sequence[Generator] | None
"""One generator for a whole batch, one per sample, or None for torch's global generator."""


def fold(*numbers: int) -> int:
    """Hash non-negative integers below 2^64 to one 63-bit seed.

    Example:
        >>> fold(0, 1) != fold(1, 0)
        True
    """
    # numpy pads with zeros and splits large integers into words: pass the number of integers, and
    # two words for each, so that different inputs never coincide.
    words = [word for number in numbers for word in (number & 0xFFFFFFFF, number >> 32)]
    state = np.random.SeedSequence([len(numbers), *words]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def step_generator(
    seed: int, rank: int, samples: int, device: torch.device | str = "cpu"
) -> Generator:
    """Create the generator of one rank's training step that starts after `samples` samples."""
    return Generator(device).manual_seed(fold(seed, rank, samples))


def sample_generators(seed: int, indices: Sequence[int]) -> list[Generator]:
    """Create one generator per generated sample, seeded by its index in the whole set.

    They are CPU generators, so that a seed gives the same sample on every device.
    """
    return [Generator().manual_seed(fold(seed, index)) for index in indices]


def normal(
    shape: Sequence[int],
    generator: Generators = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "n ..."]:
    """Draw standard normal numbers; the first axis of `shape` counts samples."""
    return _draw(torch.randn, shape, generator, device, dtype)


def normal_rows(
    counts: Sequence[int],
    features: int,
    generators: Sequence[Generator],
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "rows features"]:
    """Draw standard normal rows, as many for each sample as counted, from its own generator."""
    _check_count(len(counts), generators)
    rows = [
        torch.randn(count, features, generator=g, device=g.device, dtype=dtype)
        for count, g in zip(counts, generators, strict=True)
    ]
    return (
        torch.cat(rows).to(device) if rows else torch.empty(0, features, device=device, dtype=dtype)
    )


def uniform(
    shape: Sequence[int],
    generator: Generators = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "n ..."]:
    """Draw uniform numbers in [0, 1); the first axis of `shape` counts samples."""
    return _draw(torch.rand, shape, generator, device, dtype)


def _draw(draw, shape, generator, device, dtype):
    if generator is None or isinstance(generator, Generator):
        # Draw on the generator's device: torch does not accept a CPU generator for a CUDA tensor.
        home = device if generator is None else generator.device
        return draw(tuple(shape), generator=generator, device=home, dtype=dtype).to(device)
    _check_count(shape[0], generator)
    rows = [draw(tuple(shape[1:]), generator=g, device=g.device, dtype=dtype) for g in generator]
    if not rows:
        return torch.empty(tuple(shape), device=device, dtype=dtype)
    return torch.stack(rows).to(device)


def _check_count(samples: int, generators: Sequence[Generator]) -> None:
    if len(generators) != samples:
        raise ValueError(f"{samples} samples need as many generators, got {len(generators)}")
