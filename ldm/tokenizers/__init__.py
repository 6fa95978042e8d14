"""Tokenizers: data to latent to data."""

from ldm.tokenizers.identity import Identity
from ldm.tokenizers.stereographic import Stereographic
from ldm.tokenizers.tokenizer import Batch, Tokenizer

__all__ = ["Batch", "Identity", "Stereographic", "Tokenizer"]
