"""Evaluation of tokenizers and priors, and comparison with the tables of papers."""
