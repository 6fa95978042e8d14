"""Allocation of memory by the C library: freed blocks are kept for the next step."""

import ctypes
import os

__all__ = ["keep_freed_memory"]

TRIM, MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
KEPT = 2**30
LARGEST_MAPPED = 2**25  # that versions of glibc before 2.35 accept


def keep_freed_memory() -> bool:
    """Keep up to 1 GiB of freed memory for the next block, where the C library is glibc.

    By default glibc gives large blocks back to the system at once, and the system clears the pages
    of each new one. Networks on a CPU ask for the same blocks at every step, so that this took a
    tenth of a small transformer's training. What the environment sets of glibc's own options stays.

    Returns:
        Whether anything was set.
    """
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    if not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(TRIM, KEPT)
    return bool(mallopt(MMAP, KEPT) or mallopt(MMAP, LARGEST_MAPPED))
