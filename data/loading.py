"""The loader of whole batches, whose workers leave signals to the process that they work for."""

import atexit
import os
import signal
import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch.utils.data import DataLoader

from data.batch import Batch
from data.samples import Batches

__all__ = ["BatchLoader", "cores"]

working: weakref.WeakSet = weakref.WeakSet()  # iterators whose workers may be alive
processes: weakref.WeakSet = weakref.WeakSet()  # those workers


class BatchLoader(DataLoader):
    """Loads the batches of an order; the dataset returns each one whole.

    Workers never see SIGTERM and SIGINT, which launchers and terminals send to all processes of a
    group: the process they work for answers, and may need them until it has saved its state.

    Args:
        dataset: which returns whole batches.
        order: lists of what to load, one list a batch.
        workers: loader processes; 0 loads in this process.
    """

    def __init__(self, dataset: Batches, order: Iterable[list], workers: int = 0) -> None:
        super().__init__(
            dataset,  # ty: ignore[invalid-argument-type]  it need not derive from torch's Dataset
            batch_sampler=order,
            num_workers=workers,
            collate_fn=_as_it_is,
            pin_memory=torch.cuda.is_available(),
            # Without a generator of its own, a loader draws from torch's global one each time it
            # starts, and resumed runs would differ from uninterrupted ones.
            generator=torch.Generator(),
        )

    def __iter__(self):
        if self.num_workers == 0 or not hasattr(signal, "pthread_sigmask"):
            return super().__iter__()
        # Inherited by the workers, whatever handlers they set.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        try:
            iterator = super().__iter__()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        working.add(iterator)
        processes.update(iterator._workers)  # ty: ignore[missing-attribute]  it has several
        return iterator


def cores() -> int:
    """Count the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@atexit.register
def _end_workers() -> None:
    # Torch would end them by SIGTERM, and wait for ever.
    for iterator in list(working):
        iterator._shutdown_workers()
    for process in list(processes):  # those that missed it, as happens on an overloaded machine
        if process.is_alive():
            process.kill()


def _as_it_is(batch: Any) -> Batch:
    return batch
