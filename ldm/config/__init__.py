"""Configurations: composed, checked, and explained where they are wrong."""
