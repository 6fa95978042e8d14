"""Functions of trained parts and latents: inversion, editing, interpolation.

Each is a command, too: python -m ldm.analysis inversion run=runs/demo/digits
"""

from ldm.analysis.editing import edit
from ldm.analysis.interpolation import between, interpolate
from ldm.analysis.inversion import encode, invert, resample

__all__ = ["between", "edit", "encode", "interpolate", "invert", "resample"]
