"""Weights in and out: our own files, published ones, and those of other libraries."""

from ldm.hub.checkpoints import load_into, resolve
from ldm.hub.start import start_from

__all__ = ["load_into", "resolve", "start_from"]
