"""The geodesic random walk: Brownian motion on any space, in steps."""

from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators
from ldm.spaces.space import Space
from ldm.tensors import like

__all__ = ["random_walk"]


def random_walk(
    space: Space,
    origin: Float[Tensor, "n ..."],
    s: Float[Tensor, " n"],
    steps: int,
    generator: Generators = None,
) -> Float[Tensor, "n ..."]:
    """Brownian motion from each origin until its variance per unit tangent direction is `s`.

    Each step is `exp_x(sqrt(s / steps) Z)`, Z standard normal in the tangent space (Jørgensen
    1975); the error of the distribution vanishes with the variance of a step.
    """
    std = like((s / steps).sqrt(), origin)
    x = origin
    for _ in range(steps):
        x = space.exp(x, std * space.random_tangent(x, generator))
    return x
