"""Samples of a prior that several scorers read, drawn once."""

from data import Batch
from eval.record import Record
from ldm.run.parts import Parts
from ldm.run.sampling import draw_share, gather

__all__ = ["drawn_samples"]


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

    return record.once(("samples", samples, seed), draw)
