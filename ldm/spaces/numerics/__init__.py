"""Numerically accurate functions of scalars and matrices, with accurate derivatives."""
