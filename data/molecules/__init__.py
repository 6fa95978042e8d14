"""Datasets of molecules in three dimensions, one per file."""
