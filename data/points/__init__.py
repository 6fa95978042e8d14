"""Datasets of points on manifolds, one per file."""
