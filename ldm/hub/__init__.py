"""Weights in and out: our own files, published ones, and those of other libraries.

Bring them in and take them out by a command: python -m ldm.hub list | import | export
"""
