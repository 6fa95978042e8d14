"""A picture of each analysis, with what a command asks of it."""

from typing import Any

import torch
from torch import Tensor

from data import Batch
from ldm.analysis.editing import edit
from ldm.analysis.files import read_data
from ldm.analysis.interpolation import interpolate
from ldm.analysis.inversion import Encoding, encode, invert, resample
from ldm.randomness import sample_generators
from ldm.run.parts import Parts
from ldm.run.sampling import requested

__all__ = ["editing", "interpolation", "inversion"]


def inversion(parts: Parts, own: dict, asked: dict) -> Tensor:
    """Data, and below it what its noise is sampled to; prints how far the latents came back."""
    batch = _data(parts, own, own.get("n", 8), **asked)
    encoding = encode(parts, batch, torch.Generator().manual_seed(own.get("seed", 0)))
    again, latent = resample(parts, invert(parts, encoding), encoding.told)
    distance = parts.prior.space.on(encoding.told).distance(latent, encoding.latent)
    print(f"distance of latents after there and back: {distance.max().item():.3g} at most")
    return _rows(parts, batch, again)


def editing(parts: Parts, own: dict, asked: dict) -> Tensor:
    """Data, and below it what it is edited to."""
    n, seed = own.get("n", 8), own.get("seed", 0)
    batch = _data(parts, own, n)
    encoding = encode(parts, batch, torch.Generator().manual_seed(seed))
    requests = requested(parts, range(n), seed, **asked)
    device = encoding.latent.device
    told = {key: requests[key].to(device) for key in asked if key in requests}
    generators = sample_generators(seed, range(n))
    edited = edit(parts, encoding, own.get("strength", 0.5), told, generators)
    return _rows(parts, batch, edited)


def interpolation(parts: Parts, own: dict, asked: dict) -> Tensor:
    """A row for each pair of data: one, the way between, the other."""
    n, steps = own.get("n", 4), own.get("steps", 8)
    batch = _data(parts, own, 2 * n, **asked)
    n = len(batch["x"]) // 2
    if n < 1:
        raise ValueError("it is between two, and there is one")
    latent, told = encode(parts, batch, torch.Generator().manual_seed(own.get("seed", 0)))
    first = Encoding(latent[:n], {key: value[:n] for key, value in told.items()})
    second = Encoding(latent[n : 2 * n], {key: value[n : 2 * n] for key, value in told.items()})
    return parts.data.show(_on_cpu(interpolate(parts, first, second, steps)), columns=steps)


def _data(parts: Parts, own: dict, n: int, **asked: Any) -> Batch:
    return read_data(parts, n, own.get("files"), own.get("split", "test"), **asked)


def _rows(parts: Parts, above: Batch, below: Batch) -> Tensor:
    below = _on_cpu(below)
    both = {key: torch.cat([above[key], below[key]]) for key in above if key in below}
    return parts.data.show(both, columns=len(above["x"]))


def _on_cpu(batch: Batch) -> Batch:
    moved = {key: value.cpu() for key, value in batch.items()}
    return {key: x.float() if x.is_floating_point() else x for key, x in moved.items()}
