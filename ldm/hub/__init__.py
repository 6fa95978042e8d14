"""Weights in and out: our own files, published ones, and those of other libraries."""

from ldm.hub.checkpoints import load_into, resolve

__all__ = ["load_into", "resolve"]
