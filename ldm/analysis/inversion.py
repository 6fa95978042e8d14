"""From data back to the noise that a prior would draw it from.

Source: Song et al., "Denoising Diffusion Implicit Models", 2021, section 5.4; for flows, the same
ordinary differential equation run the other way.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from data import Batch
from ldm.config.signatures import ConfigError
from ldm.priors import Denoiser
from ldm.randomness import Generators
from ldm.run.parts import Parts
from ldm.training.latents import Latents

__all__ = ["Encoding", "encode", "invert", "resample", "walker"]


class Encoding(NamedTuple):
    """Data as a prior sees it.

    Attributes:
        latent: normalised latents, of the mode of the posterior.
        told: what the prior may be told of them: labels, a mask.
    """

    latent: Float[Tensor, "n ..."]
    told: Batch


def walker(parts: Parts) -> Denoiser:
    """The prior, if it has a process whose points can be carried either way.

    Raises:
        ConfigError: there is no trained prior, it has no process, or walks points in parts.
    """
    if not isinstance(parts.prior, Denoiser):
        kind = type(parts.prior).__name__
        what = "no trained prior" if parts.prior is None else f"a prior without a process, {kind}"
        raise ConfigError(f"{parts.config.run} has {what}: nothing can be inverted or edited")
    if parts.prior.space != parts.prior.process.space:
        raise ConfigError(
            f"{parts.config.run} draws clips of several windows, one told the other: to invert or "
            f"edit one window, set data to clips of that length"
        )
    return parts.prior


@torch.no_grad()
def encode(parts: Parts, batch: Batch, generator: Generators = None) -> Encoding:
    """Normalised latents of a batch of data, and what goes with them."""
    device = next(parts.prior.parameters()).device
    moved = {key: value.to(device) for key, value in batch.items()}
    return Encoding(*Latents(parts.tokenizer).read(moved, generator))


def invert(parts: Parts, encoding: Encoding) -> Float[Tensor, "n ..."]:
    """The points of the base distribution that the sampler takes to these latents.

    Raises:
        ConfigError: the prior has no process.
        ValueError: the sampler cannot be run the other way: it is stochastic, say.
    """
    prior = walker(parts)
    start, end = prior.process.span
    return prior.transport(*encoding, parts.sampler, span=(end, start))


def resample(
    parts: Parts, start: Float[Tensor, "n ..."], told: Batch
) -> tuple[Batch, Float[Tensor, "n ..."]]:
    """Data, and normalised latents, that the sampler takes points of the base distribution to."""
    latent = walker(parts).transport(start, told, parts.sampler, guidance=parts.guidance)
    return decode(parts, latent, told), latent


@torch.no_grad()
def decode(parts: Parts, latent: Float[Tensor, "n ..."], told: Batch) -> Batch:
    """Data of normalised latents, with what they were told."""
    decoded = parts.tokenizer.decode(parts.tokenizer.denormalize(latent, told), told)
    return {**told, **decoded}
