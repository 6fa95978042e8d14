"""Scorers: what a run is scored by, one file a kind."""
