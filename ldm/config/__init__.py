"""Composition and validation of configurations, with hints in error messages."""
