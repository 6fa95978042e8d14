"""Laws of memory that is kept between steps."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import ctypes, resource
from ldm.allocation import keep_freed_memory

kept = keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
size = 2**26

def step():
    block = ctypes.c_void_p(libc.malloc(size))
    ctypes.memset(block, 1, size)
    libc.free(block)

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def ask(**further: str) -> tuple[bool, int]:
    """Run two steps; returns whether memory is kept, and the pages that the second was given."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", FAULTS]
    out = subprocess.run(command, env=own | further, capture_output=True, text=True, check=True)
    kept, faults = out.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", ()), reason="of glibc"
)
def test_a_block_freed_is_used_again_without_new_pages():
    kept, faults = ask()
    assert kept
    assert faults < 100  # of 16,384


def test_options_in_the_environment_stay():
    kept, _ = ask(MALLOC_ARENA_MAX="2")
    assert not kept
