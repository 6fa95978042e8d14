"""Tokenizers: data to latent to data."""

from ldm.tokenizers.tokenizer import Batch, Tokenizer

__all__ = ["Batch", "Tokenizer"]
