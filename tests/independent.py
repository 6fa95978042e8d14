"""Libraries by others to compare with, brought in without side effects."""

import os

import numpy
import torch


def geomstats():
    """The package, on torch; it would leave double precision as everyone's default."""
    numpy.trapz = numpy.trapezoid  # noqa: NPY201 - gone from numpy, and still asked for
    os.environ["GEOMSTATS_BACKEND"] = "pytorch"
    default = torch.get_default_dtype()
    try:
        import geomstats
        import geomstats.backend
        import geomstats.geometry
    finally:
        torch.set_default_dtype(default)
    return geomstats
