"""Functions of trained parts and latents: inversion, editing, interpolation.

Each is a command, too: python -m ldm.analysis inversion run=runs/demo/digits
"""

from importlib import import_module
from typing import Any

FILES = {
    "between": "interpolation",
    "edit": "editing",
    "encode": "inversion",
    "interpolate": "interpolation",
    "invert": "inversion",
    "resample": "inversion",
}
"""File of each function; it is imported at first use, for the command's help to come at once."""

__all__ = list(FILES)


def __getattr__(name: str) -> Any:
    if name not in FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{FILES[name]}"), name)
