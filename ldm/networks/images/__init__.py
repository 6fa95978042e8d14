"""Encoders, decoders and backbones of grids, one file a family."""
