"""Distributions on spaces other than their reference measures."""
