"""Weights of others made a run, and runs made files of others."""
