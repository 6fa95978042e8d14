"""Exporting the latents of a run's training data."""

from pathlib import Path

from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.progress import progress
from ldm.run.folder import Run
from ldm.run.parts import Parts
from ldm.training.latent_cache import LatentCache
from ldm.training.latent_shards import write_shards
from ldm.training.latents import Latents

__all__ = ["export_latents"]

VIEWS = (("plain",), ("plain", "mirrored"))  # those that the shards have places for


def export_latents(parts: Parts, folder: str | Path) -> list[str]:
    """Encode the training data of a run with its tokenizer, and write shards of the latents.

    Args:
        parts: of the run, trained.
        folder: to write; new or empty.

    Returns:
        What was done, a line each.

    Raises:
        ConfigError: the folder is not empty, or the latents have no place in the shards.
    """
    folder, data = Path(folder).expanduser(), parts.data
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder: choose another output=...")
    tokenizer = parts.tokenizer
    if data.views not in VIEWS:
        raise ConfigError(
            f"shards hold images and their mirror images, and {data.name} has the views "
            f"{', '.join(data.views) or 'of random crops'}: set data.crop=center"
        )
    if tokenizer.latents == "codes" or not tokenizer.measured:
        raise ConfigError("shards hold real latents of a measured tokenizer: choose another run")
    latents, device = Latents(tokenizer.to(distributed.device()).eval()), distributed.device()
    cache = LatentCache(Run(parts.config.run).latents, latents.encode, latents.identity, data)
    with progress("latents", sum(cache.length(number) for _, number in cache.share())) as advance:
        for done in cache.fill(device):
            advance(done)
    written = write_shards(folder, cache.dataset(), tokenizer.cpu(), parts.config.seed)
    return [f"{len(data.train_dataset)} latents", *map(str, written)]
