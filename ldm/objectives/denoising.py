"""Denoising score matching: regression on the score of the forward transition.

Sources: De Bortoli et al. 2022 (RSGM), section 3 and appendix; Lou et al. 2023, equation 5.
"""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from ldm.objectives.scores import ScoreMatching
from ldm.processes import Brownian, Langevin, Process
from ldm.randomness import Generators
from ldm.tensors import like

__all__ = ["DenoisingScoreMatching"]


class DenoisingScoreMatching(ScoreMatching):
    """`E w(t) |score - grad log K(x_t | x_0)|^2` in the metric of the space.

    Args:
        scale: the output's scale, see `ScoreMatching`.
        weight: `scale`, that of the output squared, so every time counts alike; or `rate`,
            beta(t), that of the likelihood.
        target: `kernel`, the exact score of the transition (of Brownian motion, the heat kernel's);
            or `varadhan`, its limit of short times `log_x(x_0) / s`, for spaces of which no more is
            known.

    Raises:
        ValueError: there is no such weight or target.
    """

    def __init__(
        self,
        scale: Literal["sigma", "std"] = "std",
        weight: Literal["scale", "rate"] = "scale",
        target: Literal["kernel", "varadhan"] = "kernel",
    ) -> None:
        super().__init__(scale)
        if weight not in ("scale", "rate") or target not in ("kernel", "varadhan"):
            raise ValueError(
                f"weight is scale or rate and target kernel or varadhan, got {weight!r}, {target!r}"
            )
        self.weight, self.target = weight, target

    def check(self, process: Process) -> None:
        """Refuse, besides, a process whose forward transition is not that of Brownian motion."""
        super().check(process)
        if isinstance(process, Langevin):
            raise ValueError(
                "the forward transition of Langevin dynamics is not known: set the objective to "
                "ImplicitScoreMatching"
            )
        if self.target == "kernel":
            process.check_transition()

    def loss(
        self,
        predict: Callable[..., Tensor],
        process: Brownian,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        t = process.random_times(len(latent), generator, latent.device)
        x = process.noise(latent, t, generator)
        score = self.read(predict(x, t, **condition), process, x, t).score
        scale = self.scale_at(process, t)
        error = like(scale, x) * (score - self.transition_score(process, x, latent, t))
        loss = process.space.inner(x, error, error)
        return loss if self.weight == "scale" else loss * process.rate(t) / scale.square()

    def transition_score(
        self,
        process: Brownian,
        x: Float[Tensor, "n ..."],
        latent: Float[Tensor, "n ..."],
        t: Float[Tensor, " n"],
    ) -> Float[Tensor, "n ..."]:
        """Score at `x` of the forward transition from `latent`, exact or approximate."""
        if self.target == "kernel":
            return process.transition_score(x, latent, t)
        return process.space.log(x, latent) / like(process.variance(t), x)
