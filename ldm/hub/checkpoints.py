"""Checkpoints as configurations name them: published weights, a file, or a run folder."""

import difflib
import re
from pathlib import Path

from torch import nn

from ldm.hub import weights
from ldm.hub.published import PUBLISHED, fetch, load_published
from ldm.hub.weights import BadCheckpoint

__all__ = ["SCHEME", "load_into", "resolve"]

SCHEME = "hub:"
"""Beginning of the names of published weights."""


def resolve(checkpoint: str | Path, stage: str) -> tuple[str | None, Path]:
    """Find the file of a checkpoint, downloading it where it is published and not here.

    Args:
        checkpoint: `hub:<name>` for published weights, a `model.safetensors`, or a run folder,
            which stands for the file of its `stage`.
        stage: name of the stage whose model is wanted.

    Returns:
        Name in `PUBLISHED`, None for a file of our own; and the path, which may not exist.

    Raises:
        BadCheckpoint: no weights are published under this name, or they cannot be fetched.
    """
    checkpoint = str(checkpoint)
    if checkpoint.startswith(SCHEME):
        name = checkpoint.removeprefix(SCHEME)
        known = [each for each, published in PUBLISHED.items() if published.config is not None]
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise BadCheckpoint(
                f"no published weights {name!r}: did you mean {SCHEME}{near[0]}? "
                f"There are {', '.join(known)}"
            )
        return name, fetch(name)
    path = Path(checkpoint)
    return None, path / stage / "model.safetensors" if path.is_dir() else path


def load_into(checkpoint: str | Path, model: nn.Module, stage: str, space: str) -> None:
    """Load the weights of a checkpoint in a model, all of them.

    Args:
        checkpoint: as for `resolve`.
        model: as its configuration builds it.
        stage: as for `resolve`.
        space: latent space of the model, as text; our own files say theirs, and it must be equal,
            but for the grid of a flat space: there the shapes of the weights decide.

    Raises:
        BadCheckpoint: unknown, missing, unreadable, not finite, of another space or network.
    """
    name, path = resolve(checkpoint, stage)
    if name is not None:
        return load_published(name, model, path)
    found = weights.read_facts(path).get("space")
    if _without_grid(found) != _without_grid(space):
        raise BadCheckpoint(
            f"{path} is a model of the latent space {found}, the configuration wants {space}: "
            f"choose the {stage} group that it was trained with"
        )
    weights.load(path, model)


def _without_grid(space: str | None) -> str | None:
    """Cut the sides of a grid: what is trained on images is used at other sizes and lengths."""
    return space and re.sub(r"^Flat\((\d+)(, \d+)+\)$", r"Flat(\1, ...)", space)
