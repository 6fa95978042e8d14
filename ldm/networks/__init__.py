"""Encoders, decoders and backbones, one file a family: name them by their file."""
