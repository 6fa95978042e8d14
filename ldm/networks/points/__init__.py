"""Backbones that take points on manifolds as input, one family per file."""
