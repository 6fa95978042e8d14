"""Implicit score matching: no transition density, but the divergence of the network.

Sources: Hyvärinen 2005; Song et al. 2020 (sliced); De Bortoli et al. 2022 (on manifolds).
"""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from ldm.objectives.scores import ScoreMatching
from ldm.processes import Brownian
from ldm.randomness import Generators, normal
from ldm.spaces.divergence import divergence, hutchinson_divergence

__all__ = ["ImplicitScoreMatching"]


class ImplicitScoreMatching(ScoreMatching):
    """`E beta(t) [ 1/2 |score|^2 + div score ]`, least where denoising score matching is.

    The rate beta(t) is the weight of the likelihood.

    Args:
        scale: the output's scale, see `ScoreMatching`.
        sliced: estimate the divergence with one random probe, of coordinates 1 or -1 in a frame,
            for spaces of many dimensions.
    """

    def __init__(
        self,
        scale: Literal["sigma", "std"] = "std",
        sliced: bool = False,
    ) -> None:
        super().__init__(scale)
        self.sliced = sliced

    def loss(
        self,
        predict: Callable[..., Tensor],
        process: Brownian,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        space = process.space
        t = process.random_times(len(latent), generator, latent.device)
        x = process.noise(latent, t, generator)

        def field(x: Tensor) -> Tensor:
            return self.read(predict(x, t, **condition), process, x, t).score

        if self.sliced:
            signs = normal((len(x), space.dim), generator, x.device, x.dtype).sign()
            probe = space.frame(x, signs)
            score, div = hutchinson_divergence(space, field, x, probe)
        else:
            score, div = divergence(space, field, x)
        return (space.inner(x, score, score) / 2 + div) * process.rate(t)
