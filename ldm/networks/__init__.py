"""Encoders, decoders and backbones, one family per file; import each from its own file."""
