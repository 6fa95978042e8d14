"""Bottlenecks: what stands between encoder and decoder."""

from ldm.bottlenecks.bottleneck import Bottleneck, DiscreteBottleneck, Encoded

__all__ = ["Bottleneck", "DiscreteBottleneck", "Encoded"]
