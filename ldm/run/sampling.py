"""Drawing samples: the loop of sample.py, of evaluation and of pictures in training; its check."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor

from data import Batch, DataModule
from ldm import distributed
from ldm.bottlenecks import Bottleneck
from ldm.config.compose import ConfigError
from ldm.config.lineage import lineage, told
from ldm.priors import Prior
from ldm.progress import progress
from ldm.randomness import Generators, sample_generators
from ldm.run.inpainting import inpainting
from ldm.run.parts import Parts, build_guidance, build_part, build_sampler
from ldm.samplers import Unsolved

__all__ = [
    "Drawn",
    "check_sampler",
    "draw",
    "draw_share",
    "gather",
    "prepare_networks",
    "requested",
]


class Drawn(NamedTuple):
    """Generated samples.

    Attributes:
        batch: `x`, `index`, and the conditions of the samples.
        latent: the latents they were decoded from, `(n, *shape)`.
    """

    batch: Batch
    latent: Tensor


@torch.no_grad()
def draw(parts: Parts, indices: Sequence[int], seed: int, **asked: Any) -> Drawn:
    """Draw the samples with these indices in a set; they do not depend on the rest of the batch.

    Args:
        parts: with a prior.
        indices: indices of the samples in the whole set.
        seed: of the whole set.
        **asked: conditions of all samples, see `DataModule.requests`.

    Raises:
        ConfigError, DataError: see `requested`.
        Unsolved: the sampler failed.
    """
    device = next(parts.prior.parameters()).device
    requests = requested(parts, indices, seed, **asked)
    condition = {key: value.to(device) for key, value in requests.items() if key != "index"}
    condition |= parts.tokenizer.conditions(condition)
    generators = sample_generators(seed, indices)
    latent = parts.tokenizer.denormalize(
        draw_normalized(parts, len(indices), condition, generators), condition
    )
    decoded = parts.tokenizer.decode(latent, condition, generators)
    floats = {key: x.float() if x.is_floating_point() else x for key, x in decoded.items()}
    floats["x"] = parts.data.restore({**condition, **floats})["x"]
    return Drawn({**requests, **floats}, latent)


def requested(parts: Parts, indices: Sequence[int], seed: int, **asked: Any) -> Batch:
    """Conditions of samples to draw, see `DataModule.requests`.

    Raises:
        DataError: the data module does not know such a condition.
        ConfigError: samples are asked for by what no prior reads: by a text a prior of classes.
    """
    requests = parts.data.requests(indices, seed, **asked)
    priors = [model for model in parts.models.values() if isinstance(model, Prior)]
    if any(prior.conditioning is None for prior in priors):
        return requests  # they read what they like
    read = {key: None for prior in priors for key in prior.conditioning.dropped}
    always = {key for prior in priors for key in prior.conditioning.always}
    for key in asked:
        if key in requests and key not in read and key not in always:
            ways = " or ".join(f"condition.{one}=..." for one in read) or "nothing"
            raise ConfigError(
                f"samples are asked for by {key}, which this model was not trained to read: ask "
                f"for {ways}, or train one with prior.conditioning.{key}"
            )
    return requests


def draw_normalized(parts: Parts, n: int, condition: Batch, generator: Generators = None) -> Tensor:
    """Draw normalised latents of the last prior, conditioned on those of the priors before it."""
    drawn: dict[str, Tensor] = {}
    for name in lineage(parts.config, parts.stage):
        if isinstance(prior := parts.models[name], Prior):
            others = {key: drawn[other] for key, other in told(parts.config, name).items()}
            sampler = build_sampler(parts.config, name)
            if name == parts.stage and "kept" in condition:
                sampler = inpainting(parts, sampler, condition, generator)
            guidance = build_guidance(parts.config, name)
            drawn[name] = prior.sample(n, {**condition, **others}, sampler, generator, guidance)
    return drawn[parts.stage]


def draw_share(parts: Parts, n: int, seed: int, batch_size: int, **asked: Any) -> Iterator[Drawn]:
    """Draw this rank's share of samples 0 to n - 1 of a seed: every `world`-th, in batches.

    With more ranks than samples, the extra ranks draw a duplicate that `gather` drops: all ranks
    must join the collective operations.

    Raises:
        Unsolved: on every rank, once all have drawn, if the sampler failed on one.
    """
    failure = None
    mine = torch.arange(n)[distributed.rank() % n :: distributed.world()]
    with progress("samples", len(mine)) as advance:
        for part in mine.split(batch_size):
            try:
                drawn = draw(parts, part.tolist(), seed, **asked)
            except Unsolved as error:
                failure = error
                break
            yield drawn
            advance(len(part))
    distributed.raise_together(failure, Unsolved("the sampler failed on another process"))


def gather(shares: Iterable[Batch], n: int) -> Batch:
    """Join the shares of all ranks: all `n` samples in order, on the CPU of every rank."""
    shares = list(shares)
    return {
        key: distributed.interleave(torch.cat([share[key].cpu() for share in shares]), n)
        for key in shares[0]
    }


def prepare_networks(parts: Parts) -> None:
    """Let trained networks compute in the configured precision, compiled if so configured.

    What surrounds them keeps its precision: samplers, processes, and bottlenecks, whose nearest
    codes would change.
    """
    execution = build_part(parts.config, "sampling")
    for model in parts.models.values():
        for network in model.children():
            if not isinstance(network, Bottleneck):
                execution.prepare(network, distributed.device())


def check_sampler(config: DictConfig, name: str, prior: Prior, data: DataModule) -> None:
    """Draw one latent with a network that always outputs zero.

    Raises:
        ConfigError: the prior's process or conditions do not support the sampler or guidance.
        DataError: the data cannot say what samples are asked for.
    """
    sampler, guidance = build_sampler(config, name), build_guidance(config, name)
    requests = data.requests([0], config.seed)
    try:
        given = {key: x for key, x in requests.items() if key != "index"}
        prior.rehearse({**prior.example(1), **given}, sampler, guidance)
    except Exception as error:  # diffusers raises ZeroDivisionError and others
        raise ConfigError(f"the sampler does not fit the prior: {error}") from error
