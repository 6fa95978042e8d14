"""Weights of the squared errors of noise in a loss over all times.

Source: Ma et al. 2024 (SiT), appendix on weighted score and noise losses. With `lambda` half of the
variance that the process adds a unit of time, see `GaussianProcess.noising_rate`.
"""

from jaxtyping import Float
from torch import Tensor

from ldm.processes import GaussianProcess

__all__ = ["WEIGHTINGS"]


def _velocity(process: GaussianProcess, t: Tensor) -> Float[Tensor, " n"]:
    """`(lambda / sigma)^2`, by which an error of noise counts as that of a velocity."""
    return (process.noising_rate(t) / process.alpha_sigma(t)[1]).square()


def _likelihood(process: GaussianProcess, t: Tensor) -> Float[Tensor, " n"]:
    """`lambda / sigma^2`, of maximum likelihood (Song et al. 2021)."""
    return process.noising_rate(t) / process.alpha_sigma(t)[1].square()


WEIGHTINGS = {"velocity": _velocity, "likelihood": _likelihood}
