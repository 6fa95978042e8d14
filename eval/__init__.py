"""Scores of tokenizers and priors, and the tables of papers."""
