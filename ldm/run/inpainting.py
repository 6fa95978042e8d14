"""The sampler of samples that keep a part of the data."""

from data import Batch
from ldm.config.compose import ConfigError
from ldm.randomness import Generators
from ldm.run.parts import Parts, build_part
from ldm.samplers import Inpainting, Sampler

__all__ = ["inpainting"]


def inpainting(
    parts: Parts, sampler: Sampler | None, condition: Batch, generator: Generators = None
) -> Inpainting:
    """Lead a sampler to the latents of the `known` part of data, at the places that are `kept`.

    Args:
        parts: with the prior that is sampled from.
        sampler: of the prior.
        condition: of the samples; `kept` has the places of the data, `(n, *places)`.
        generator: of the posterior noise of the known latents.

    Raises:
        ConfigError: the prior has no process that can be led there, or its latents have other
            places than the data.
    """
    process = getattr(parts.prior, "process", None)
    if process is None or sampler is None:
        raise ConfigError("nothing can be kept: the prior has no process that a sampler walks")
    space = process.space
    places = list(space.shape)
    places[space.feature_axis] = 1
    kept = condition["kept"].unsqueeze(1 + space.feature_axis)
    if list(kept.shape[1:]) != places:
        raise ConfigError(f"nothing can be kept: points of {space} have other places than the data")
    try:  # one step, so that what cannot be led is refused before the walk
        x = space.random(len(kept), device=kept.device)
        for field in process.towards(x, x, x.new_full((len(x),), process.span[0])):
            space.replace(field, field, kept)
    except ValueError as error:
        raise ConfigError(f"nothing can be kept: {error}") from error
    data = {**condition, "x": condition["known"], "mask": condition["kept"]}
    encoded = parts.tokenizer.encode(data)
    known = parts.tokenizer.normalize(encoded.raw, generator, encoded.context).float()
    given = {"sampler": sampler, "known": known, "kept": kept}
    if "inpainting" not in parts.config:  # runs of earlier versions have no settings of it
        return Inpainting(**given)
    return build_part(parts.config, "inpainting", **given)
