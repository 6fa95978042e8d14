"""Experiments: parts, stages, checks, sampling and run folders."""
