"""Samples of a prior that several scorers read, drawn once."""

from collections.abc import Iterator

import torch
from torch import Tensor

from data import Batch
from eval.record import Record
from ldm import distributed
from ldm.run.parts import Parts
from ldm.run.sampling import draw_share, gather

__all__ = ["drawn_samples", "drawn_share"]


def drawn_samples(parts: Parts, record: Record, samples: int, seed: int, batch_size: int) -> Batch:
    """Samples 0 to `samples` - 1 of a seed, compact, on the CPU of every rank.

    Args:
        parts: with a prior.
        record: of the evaluation, which keeps them for other scorers.
        samples: number of samples.
        seed: of the whole set.
        batch_size: samples drawn at once, on each rank.
    """

    def draw() -> Batch:
        share = draw_share(parts, samples, seed, batch_size)
        return gather((parts.data.compact(one.batch) for one in share), samples)

    return record.once(_key(samples, seed), draw)


def drawn_share(
    parts: Parts, record: Record, samples: int, seed: int, batch_size: int
) -> Iterator[tuple[Batch, Tensor | None]]:
    """Yield this rank's share of those samples in batches, with their latents, and keep none.

    What another scorer keeps is not drawn again, and has no latents (None), unless the tokenizer
    has a manifold that latents are measured from.

    Args:
        parts, record, samples, seed, batch_size: as for `drawn_samples`.
    """
    if not record.has(_key(samples, seed)) or parts.tokenizer.bottleneck.manifold is not None:
        yield from draw_share(parts, samples, seed, batch_size)
        return
    kept = drawn_samples(parts, record, samples, seed, batch_size)
    mine = torch.arange(samples)[distributed.rank() % samples :: distributed.world()]
    for part in mine.split(batch_size):
        yield {key: value[part] for key, value in kept.items()}, None


def _key(samples: int, seed: int) -> tuple[str, int, int]:
    return "samples", samples, seed
