"""The Fréchet distance of infinitely many samples, by its bias at smaller numbers.

Source: Chong and Forsyth, "Effectively unbiased FID and Inception score and where to find them",
2020: the distance of n samples is that of infinitely many plus a constant over n. With Inception
features it is the FID-infinity, with DINOv2's the FD-infinity of Stein et al., "Exposing flaws of
generative model evaluation metrics", 2023, whose sizes these are.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from eval.metrics.frechet import FrechetDistance, Moments, frechet_distance

__all__ = ["FEWEST", "FrechetInfinity", "frechet_infinity"]

SIZES, LEAST = 15, 5000

FEWEST = 20
"""Least number of samples for subsets of different sizes."""


def frechet_infinity(
    real: Moments, fake: Float[Tensor, "n dim"], *, sizes: int = SIZES, seed: int = 0
) -> dict[str, Tensor]:
    """Fit the Fréchet distance of random subsets of samples by a line in 1/size.

    Args:
        real: moments of the data, which stay those of the whole reference: their own bias remains.
        fake: features of samples.
        sizes: number of subsets, of sizes from 5,000, or a tenth of the samples if they are fewer
            than 50,000, up to all, evenly spaced; each is drawn without replacement.
        seed: of the subsets, the same on every device.

    Returns:
        `mean`, the value of the line at 1/size = 0, and `slope`, how much one sample alone would
        add to it.

    Raises:
        ValueError: there are fewer than `FEWEST` samples, or a feature is not finite.
    """
    n = len(fake)
    if n < FEWEST:
        raise ValueError(f"an extrapolation needs {FEWEST} samples or more, got {n}")
    counts = torch.linspace(max(min(LEAST, n / 10), 2), n, sizes, dtype=torch.float64).long()
    generator, distances = torch.Generator().manual_seed(seed), []
    mu, sigma = real.mu.to(fake.device), real.sigma.to(fake.device)
    for count in counts.tolist():
        chosen = torch.randperm(n, generator=generator)[:count].to(fake.device)
        part = fake[chosen].double()
        covariance = torch.cov(part.T).reshape(sigma.shape)
        distances.append(frechet_distance(mu, sigma, part.mean(0), covariance))
    inverse = 1 / counts.double().to(fake.device)
    line = torch.stack([torch.ones_like(inverse), inverse], dim=1)
    mean, slope = torch.linalg.lstsq(line, torch.stack(distances)[:, None]).solution[:, 0]
    return {"mean": mean, "slope": slope}


class FrechetInfinity(FrechetDistance):
    """`frechet_infinity` of all generated features, to all real ones, seen on all ranks.

    Args:
        size: dimension of a feature vector.
        seed: of the subsets.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        super().__init__(size)
        self.seed = seed
        self.add_state("fake", default=[], dist_reduce_fx="cat")

    def update(self, features: Float[Tensor, "batch dim"], *, real: bool) -> None:
        super().update(features, real=real)
        if not real:
            self.fake.append(features.float())

    def compute(self) -> dict[str, Tensor]:
        fake = dim_zero_cat(self.fake)
        # The gathered order depends on the number of ranks; the subsets must not.
        fake = fake[fake[:, 0].argsort(stable=True)]
        return frechet_infinity(self.moments(real=True), fake, seed=self.seed)
