"""Metrics: extractors aside, streamed statistics and closed formulas."""
