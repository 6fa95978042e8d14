"""Data to latents in a file, latents in a file to data, and both at once."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data import Batch
from data.files.exact import check_exact, write_exact
from data.files.whole import check_writable
from ldm import distributed
from ldm.analysis.files import load_latents, read_data, save_latents
from ldm.progress import tracked
from ldm.randomness import sample_generators
from ldm.run.parts import Parts
from ldm.training.latents import Latents

__all__ = ["decode", "encode", "reconstruct"]

BATCH, NUMBERS = 64, 64 * 3 * 256**2  # most samples at once, and numbers in their `x`


def encode(parts: Parts, own: dict[str, Any], asked: dict[str, Any]) -> Path:
    """Write normalised latents of data, with what goes with them, as safetensors.

    Args:
        parts: with a tokenizer.
        own: of the command: `files` or `split`, `n`, `seed` of the posterior's noise, `output`.
        asked: labels and the like of images of one's own.

    Returns:
        The path of the file.
    """
    output = Path(own.get("output", Path(parts.config.run) / "latents.safetensors")).expanduser()
    check_writable(output)
    batch = _data(parts, own, asked)
    generators, found = sample_generators(own.get("seed", 0), range(len(batch["x"]))), []
    for part, chosen in _parts(parts, batch):
        found.append(Latents(parts.tokenizer).read(part, generators[chosen]))
    latent = torch.cat([one for one, _ in found])
    told = {key: torch.cat([kept[key] for _, kept in found]) for key in found[0][1]}
    save_latents(output, latent, told, repr(parts.tokenizer.space))
    return output


def decode(parts: Parts, own: dict[str, Any], asked: dict[str, Any]) -> Path:
    """Decode latents that `encode` wrote, or that were made of such, to a folder of files.

    Args:
        parts: with a tokenizer.
        own: of the command: `latents`, the file, and `output`, the folder.
        asked: unused.

    Returns:
        The folder.
    """
    output = Path(own.get("output", Path(parts.config.run) / "decoded")).expanduser()
    check_exact(output)
    latents = own.get("latents", Path(parts.config.run) / "latents.safetensors")
    latent, told = load_latents(Path(latents).expanduser(), repr(parts.tokenizer.space))
    return _write(parts, output, latent, told)


def reconstruct(parts: Parts, own: dict[str, Any], asked: dict[str, Any]) -> Path:
    """Encode data to the posterior's mode and decode them to a folder of files.

    Args:
        parts: with a tokenizer.
        own: of the command: `files` or `split`, `n`, and `output`, the folder.
        asked: unused.

    Returns:
        The folder.
    """
    output = Path(own.get("output", Path(parts.config.run) / "reconstructions")).expanduser()
    check_exact(output)
    batch, found = _data(parts, own, asked), []
    with torch.no_grad():
        for part, _ in _parts(parts, batch):
            found.append(_on_cpu(parts.tokenizer.reconstruct(part)[0]))
    again = {key: torch.cat([one[key] for one in found]) for key in found[0]}
    kept = {key: value for key, value in batch.items() if key not in again}
    facts = {"run": parts.config.run, "n": len(batch["x"])}
    write_exact(output, lambda folder: parts.data.save(folder, {**kept, **again}), **facts)
    return output


@torch.no_grad()
def _write(parts: Parts, output: Path, latent: Tensor, told: Batch) -> Path:
    found = []
    for part, _ in _parts(parts, {**told, "latent": latent}):
        raw = parts.tokenizer.denormalize(part.pop("latent"), part)
        found.append(_on_cpu(parts.tokenizer.decode(raw, part)))
    decoded = {key: torch.cat([one[key] for one in found]) for key in found[0]}
    facts = {"run": parts.config.run, "n": len(latent)}
    write_exact(output, lambda folder: parts.data.save(folder, {**told, **decoded}), **facts)
    return output


def _data(parts: Parts, own: dict[str, Any], asked: dict[str, Any]) -> Batch:
    return read_data(parts, own.get("n", 64), own.get("files"), own.get("split", "test"), **asked)


def _on_cpu(batch: Batch) -> Batch:
    return {key: x.cpu() for key, x in batch.items()}


def _parts(parts: Parts, batch: Batch):
    """Split a batch into small ones on this process's device, each with its place."""
    n = len(next(iter(batch.values())))
    size = max(1, min(BATCH, NUMBERS // math.prod(parts.data.shape)))
    for start in tracked("batches", range(0, n, size)):
        chosen = slice(start, start + size)
        yield {key: x[chosen].to(distributed.device()) for key, x in batch.items()}, chosen
