"""Regression together with the variational bound of learned variances.

Source: Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models", 2021, sections 3.1
and 3.3, as DiT is trained (Peebles and Xie 2023).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.objectives.regression import Regression
from ldm.objectives.variational_bound import prior_divergence
from ldm.processes import Denoised, DenoisedVariance, GaussianDiffusion, Process
from ldm.randomness import Generators, uniform
from ldm.spaces import Flat
from ldm.tensors import like

__all__ = ["LearnedVariance"]


class LearnedVariance(Regression):
    """Mean squared error, and the bound in bits per dimension at the same time.

    The second half of the network's output, from -1 to 1, interpolates between the logarithms of
    the least and the largest variance that a step can have: the posterior's and beta. It learns
    from the bound alone, through which the mean has no gradient. A sample's term of the bound is
    that of its own time, one of the process's T, so the sum of the terms is weighted by 1/T.

    At time 0 the term is the log density of the latents. (In DDPM, whose data are 8-bit pixels, it
    is the log probability of their bins.)

    Args:
        target: what the first half of the output predicts, see `Regression`.

    Raises:
        ValueError: no target has that name.
    """

    has_bound = True

    def check(self, process: Process) -> None:
        """Refuse, besides, processes without discrete times, and spaces but those of grids."""
        if not isinstance(process, GaussianDiffusion) or type(process.space) is not Flat:
            raise ValueError(
                f"variances are learned of the steps of a GaussianDiffusion in a Flat space, got a "
                f"{type(process).__name__} in {process.space}: set the objective to "
                f"ldm.objectives.Regression"
            )
        super().check(process)

    def loss(
        self,
        predict: Callable[..., Tensor],
        process: GaussianDiffusion,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        t = process.random_times(len(latent), generator, latent.device)
        eps = process.space.random(len(latent), generator, latent.device, latent.dtype)
        noisy = process.mix(latent, eps, t)
        output = predict(noisy, t, **condition)
        simple = self.squared_error(output, process, latent, eps, noisy, t)
        found = self.read(output, process, noisy, t)
        fixed = DenoisedVariance(found.x0.detach(), found.eps.detach(), found.share)
        bits = math.log(2) * process.space.dim
        return simple + self.terms(fixed, process, latent, t) / bits

    def read(
        self, output: Tensor, process: GaussianDiffusion, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> DenoisedVariance:
        channels = noisy.shape[1]
        if output.shape[1] != 2 * channels:
            raise ValueError(
                f"the network gives {output.shape[1]} channels for latents of {channels}: it must "
                f"give twice as many, half of them for variances (learn_sigma=true)"
            )
        mean: Denoised = super().read(output, process, noisy, t)
        share = (1 + output[:, channels:].to(noisy.dtype)) / 2
        return DenoisedVariance(mean.x0, mean.eps, share)

    def terms(
        self,
        found: DenoisedVariance,
        process: GaussianDiffusion,
        latent: Float[Tensor, "n ..."],
        t: Tensor,
    ) -> Float[Tensor, " n"]:
        """Terms of the bound at times `t`, nats: `KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))`.

        At time 0 it is `-log p(x_0 | x_0 + noise)`.
        """
        scales = (like(each, latent) for each in _scales(process, t))
        weight, log_beta, log_posterior = scales
        log_variance = found.share * log_beta + (1 - found.share) * log_posterior
        error = (weight * (latent - found.x0)).square() * (-log_variance).exp()
        ratio = log_posterior - log_variance
        divergence = (error + ratio.exp() - 1 - ratio) / 2
        density = (error + math.log(2 * math.pi) + log_variance) / 2
        density, divergence = (each.flatten(1).sum(1) for each in (density, divergence))
        return torch.where(t == 0, density, divergence)

    def bound(
        self,
        predict: Callable[..., Tensor],
        process: GaussianDiffusion,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """An unbiased estimate of the bound, in nats, from one later time and time 0."""
        u = uniform((len(latent),), generator, latent.device)
        later = 1 + ((process.steps - 1) * u).long().clamp(max=process.steps - 2)

        def term(t: Tensor) -> Float[Tensor, " n"]:
            noisy = process.noise(latent, t, generator)
            found = self.read(predict(noisy, t, **condition), process, noisy, t)
            return self.terms(found, process, latent, t)

        first, rest = term(torch.zeros_like(later)), term(later)
        return first + (process.steps - 1) * rest + prior_divergence(process, latent)


def _scales(process: GaussianDiffusion, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weight of x0 in the posterior's mean, and the logarithms of beta and its variance.

    The posterior has none at time 0; there the variance of time 1 stands for it.
    """
    signal, betas = process.alpha_bar, process.betas
    before = torch.cat([signal.new_ones(1), signal[:-1]])
    weight = before.sqrt() * betas / (1 - signal)
    posterior = betas * (1 - before) / (1 - signal)
    posterior = torch.cat([posterior[1:2], posterior[1:]])
    found = (weight, betas.log(), posterior.log())
    return tuple(each.float().to(t.device)[t.long()] for each in found)
