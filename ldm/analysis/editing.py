"""Editing of data: noised halfway and sampled from there.

Source: Meng et al., "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential
Equations", 2022.
"""

import torch

from data import Batch
from ldm.analysis.inversion import Encoding, decode, walker
from ldm.config.signatures import ConfigError
from ldm.randomness import Generators
from ldm.run.parts import Parts

__all__ = ["edit"]


@torch.no_grad()
def edit(
    parts: Parts,
    encoding: Encoding,
    strength: float,
    told: Batch | None = None,
    generator: Generators = None,
) -> Batch:
    """Data like the given, as much changed as a strength says.

    Args:
        parts: with a prior that has a process.
        encoding: of the data.
        strength: share of the way to pure noise, in [0, 1]: 0 changes nothing, 1 all.
        told: what the edited data are to be, other labels say; None for what the data are.
        generator: of the noise.

    Raises:
        ConfigError: the strength is no share, or the prior has no process.
    """
    if not 0 <= strength <= 1:
        raise ConfigError(f"strength must be a share in [0, 1], got {strength}")
    prior, latent = walker(parts), encoding.latent
    told = encoding.told if told is None else {**encoding.told, **told}
    end, time = prior.process.span[1], prior.process.time_at(strength)
    if time != end:
        times = torch.full((len(latent),), time, device=latent.device)
        process = prior.process.on(told)
        noisy = process.noise(latent, times, generator)
        span = (time, end)
        latent = prior.transport(noisy, told, parts.sampler, generator, parts.guidance, span)
    return decode(parts, latent, told)
