"""Datasets of videos, one file a set."""
