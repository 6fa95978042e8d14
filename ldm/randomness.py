"""Randomness as a function of progress, never of history.

A training step draws from `step_generator(seed, rank, samples seen)`, so a resumed run repeats the
draws of an uninterrupted one. A generated sample draws from its own generator, `sample_generators`,
so it is the same picture whatever the batch size or the number of devices.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

__all__ = ["Generators", "fold", "normal", "sample_generators", "step_generator", "uniform"]

Generators = Generator | Sequence[Generator] | None
"""One generator for a whole batch, one for each of its samples, or None for torch's global one."""


def fold(*numbers: int) -> int:
    """Mix non-negative integers below 2^64 into one 63-bit seed; nearby inputs give unrelated ones.

    Example:
        >>> fold(0, 1) != fold(1, 0)
        True
    """
    # numpy pads with zeros and cuts large numbers into words: their count and size are told apart.
    words = [word for number in numbers for word in (number & 0xFFFFFFFF, number >> 32)]
    state = np.random.SeedSequence([len(numbers), *words]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def step_generator(
    seed: int, rank: int, samples: int, device: torch.device | str = "cpu"
) -> Generator:
    """The generator of one rank's training step that starts when `samples` have been seen."""
    return Generator(device).manual_seed(fold(seed, rank, samples))


def sample_generators(seed: int, indices: Sequence[int]) -> list[Generator]:
    """One generator for each generated sample, named by its index in the whole set.

    They live on the CPU, so that a seed means one picture on every device.
    """
    return [Generator().manual_seed(fold(seed, index)) for index in indices]


def normal(
    shape: Sequence[int],
    generator: Generators = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "n ..."]:
    """Standard normal numbers of a shape whose first axis counts samples."""
    return _draw(torch.randn, shape, generator, device, dtype)


def uniform(
    shape: Sequence[int],
    generator: Generators = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "n ..."]:
    """Uniform numbers of [0, 1) of a shape whose first axis counts samples."""
    return _draw(torch.rand, shape, generator, device, dtype)


def _draw(draw, shape, generator, device, dtype):
    if generator is None or isinstance(generator, Generator):
        # Drawn where the generator lives: torch refuses a CPU generator for a CUDA tensor.
        home = device if generator is None else generator.device
        return draw(tuple(shape), generator=generator, device=home, dtype=dtype).to(device)
    if len(generator) != shape[0]:
        raise ValueError(f"{shape[0]} samples need as many generators, got {len(generator)}")
    rows = [draw(tuple(shape[1:]), generator=g, device=g.device, dtype=dtype) for g in generator]
    if not rows:
        return torch.empty(tuple(shape), device=device, dtype=dtype)
    return torch.stack(rows).to(device)
