"""Encoders, decoders and backbones for images and image latents, one family per file."""
