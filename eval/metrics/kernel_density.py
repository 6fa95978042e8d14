"""Kernel density estimates on spheres and tori, a likelihood baseline for trained models.

Sources: Hall, Watson and Cabrera, "Kernel density estimation with spherical data", 1987, for the
estimator; Mardia and Jupp, "Directional Statistics", 2000, section 9.3.2, for its kernel.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy import special
from torch import Tensor

__all__ = ["KAPPAS", "kernel_density_nll", "kernel_log_density", "von_mises_fisher_log_peak"]

KAPPAS = (*(digit * 10.0**power for power in range(6) for digit in (1, 2, 5)), 1e6)
"""Grid of concentrations: 1, 2, 5, 10, ... 1e6."""

UNDERFLOW = 1e-290
"""Smallest Bessel function value that has full precision."""


def kernel_density_nll(
    train: Float[Tensor, "n dim"],
    val: Float[Tensor, "m dim"],
    test: Float[Tensor, "k dim"],
    *,
    groups: int = 1,
    share: float = 0.1,
    kappas: Sequence[float] = KAPPAS,
    rows: int = 256,
) -> dict[str, float]:
    """Compute the mean of `-kernel_log_density` over `test`, with the best bandwidth for `val`.

    Args:
        train: centres of the kernels, laid out as for `kernel_log_density`.
        val: points on which one of `kappas` is selected.
        test: points to be scored.
        groups: as for `kernel_log_density`.
        share: as for `kernel_log_density`.
        kappas: grid of concentrations. If its largest is selected, points cluster more finely than
            any kernel and the result depends on the grid: report both. This happens for volcanoes,
            which erupt repeatedly at one place, and for fires: half have another within 1.3 km.
        rows: number of points compared with all of `train` at once.

    Returns:
        `nll`, nats per point with respect to the Riemannian volume, and the selected `kappa`.

    Raises:
        ValueError: as `kernel_log_density`.

    Example: for uniform data, the uniform distribution's NLL is `log(4 pi)`.
        >>> points = torch.nn.functional.normalize(torch.randn(3, 2000, 3), dim=-1)
        >>> kernel_density_nll(*points)["nll"] > 2.5
        True
    """

    def nll(x: Tensor, kappa: float) -> float:
        density = kernel_log_density(x, train, kappa, groups=groups, share=share, rows=rows)
        return -density.mean().item()

    kappa = min(kappas, key=lambda kappa: nll(val, kappa))
    return {"nll": nll(test, kappa), "kappa": kappa}


def kernel_log_density(
    x: Float[Tensor, "m dim"],
    points: Float[Tensor, "n dim"],
    kappa: float,
    *,
    groups: int = 1,
    share: float = 0.1,
    rows: int = 256,
) -> Float64[Tensor, " m"]:
    """Compute the log of a mixture of kernels around `points` and the uniform distribution.

    A kernel is a von Mises-Fisher density, or a product of these on a product of spheres. The
    uniform part, of weight `share`, bounds the loss for points far from all others.

    Args:
        x: points to be scored.
        points: unit vectors in R^dim, or `groups` concatenated unit vectors. A torus of `groups`
            angles is laid out in pairs: (cos, sin) of angle g are coordinates 2g and 2g + 1.
        kappa: concentration; the kernel's standard deviation is about `kappa^(-1/2)` radians.
        groups: number of spheres in the product.
        share: weight of the uniform distribution, in [0, 1).
        rows: number of `x` compared with all `points` at once; memory grows as `rows * n`.

    Returns:
        Log densities with respect to the Riemannian volume, nats.

    Raises:
        ValueError: `kappa` or `share` is out of range, `dim` is not a multiple of `groups` with 2
            or more coordinates each, or a vector's length differs from one by more than 1e-3.

    Example: at the centre of a single kernel it is `log(kappa / 2 pi)` up to `exp(-2 kappa)`.
        >>> north = torch.tensor([[0.0, 0.0, 1.0]])
        >>> round(kernel_log_density(north, north, 50.0, share=0).item(), 6)
        2.074146
    """
    if not (kappa > 0 and 0 <= share < 1):
        raise ValueError(f"expected kappa > 0 and a share in [0, 1), got {kappa} and {share}")
    x, points = _unit(x, groups), _unit(points, groups)
    dim = points.shape[1] // groups - 1
    # Inner products add up over groups, so one matrix product works for spheres and tori.
    spread = [torch.logsumexp(kappa * (part @ points.T - groups), 1) for part in x.split(rows)]
    peak = groups * von_mises_fisher_log_peak(dim, kappa) - math.log(len(points))
    kernels = torch.cat(spread) + peak + math.log1p(-share)
    uniform = kernels.new_tensor(share).log() - groups * _log_volume(dim)
    return torch.logaddexp(kernels, uniform)


def von_mises_fisher_log_peak(dim: int, kappa: float) -> float:
    """Compute the log density of the von Mises-Fisher distribution on S^dim at its mean.

    It is `log C(kappa) + kappa` for a density `C(kappa) exp(kappa cos(angle))`, and finite for
    every `kappa > 0`.

    Example: on S^2 it is `log(kappa / 2 pi)` up to `exp(-2 kappa)`.
        >>> round(von_mises_fisher_log_peak(2, 1e6), 6)
        11.977633
    """
    order = (dim - 1) / 2
    bessel = special.ive(order, kappa)
    if bessel > UNDERFLOW:
        power = order * math.log(kappa) - (order + 1) * math.log(2 * math.pi)
        return power - math.log(bessel)
    # For orders far above kappa use the power series, which is short and has positive terms only.
    largest = (math.hypot(order, kappa) - order) / 2
    k = np.arange(int(largest + 10 * math.sqrt(largest) + 50))
    rising = special.gammaln(order + 1 + k) - special.gammaln(order + 1)
    series = special.logsumexp(2 * k * math.log(kappa / 2) - special.gammaln(k + 1) - rising)
    return float(kappa - series - _log_volume(dim))


def _log_volume(dim: int) -> float:
    half = (dim + 1) / 2
    return math.log(2) + half * math.log(math.pi) - math.lgamma(half)


def _unit(x: Float[Tensor, "n dim"], groups: int) -> Float64[Tensor, "n dim"]:
    """Normalise in float64, because kappa amplifies rounding errors of the points."""
    if x.shape[1] % groups or x.shape[1] < 2 * groups:
        raise ValueError(
            f"{groups} groups need {groups} times 2 or more coordinates, got {x.shape[1]}; "
            "give an angle as the pair (cos, sin)"
        )
    vectors = x.double().unflatten(1, (groups, -1))
    norm = vectors.norm(dim=-1, keepdim=True)
    if not ((norm - 1).abs() <= 1e-3).all():
        worst = norm.flatten()[(norm - 1).abs().argmax()].item()
        raise ValueError(f"expected {groups} unit vectors in a row, got one of length {worst:.4g}")
    return (vectors / norm).flatten(1)
