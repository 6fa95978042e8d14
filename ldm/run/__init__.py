"""Experiments: their parts, stages, checks, samples and folders."""
