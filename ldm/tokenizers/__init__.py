"""Tokenizers: maps from data to latents and back."""

from ldm.tokenizers.framewise import Framewise, FramewiseEncoded
from ldm.tokenizers.identity import Identity
from ldm.tokenizers.latent_flow import LatentFlow
from ldm.tokenizers.stacked import Stacked, latents_as_data
from ldm.tokenizers.stereographic import Stereographic
from ldm.tokenizers.tokenizer import Context, Tokenizer
from ldm.tokenizers.wavelet import WaveletTokenizer

__all__ = [
    "Context",
    "Framewise",
    "FramewiseEncoded",
    "Identity",
    "LatentFlow",
    "Stacked",
    "Stereographic",
    "Tokenizer",
    "WaveletTokenizer",
    "latents_as_data",
]
