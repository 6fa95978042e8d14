"""Weights in and out: safetensors with the facts that rebuild the model, never a pickle."""

import hashlib
import json
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from data.files.whole import write_whole

__all__ = [
    "BadCheckpoint",
    "check_resumable",
    "fingerprint",
    "load",
    "load_averaged",
    "read_facts",
    "save",
]


DAMAGE = (pickle.UnpicklingError, zipfile.BadZipFile, zlib.error)


class BadCheckpoint(ValueError):
    """A checkpoint cannot be used; the message says which, why, and what to do."""


def save(path: Path, model: nn.Module, facts: dict[str, Any]) -> None:
    """Write a model's state and JSON facts about it, whole or not at all."""
    state = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    metadata = {"facts": json.dumps(facts)}
    write_whole(path, lambda temporary: save_file(state, temporary, metadata))


def read_facts(path: Path) -> dict[str, Any]:
    """The facts that `save` wrote.

    Raises:
        BadCheckpoint: no such file, not safetensors, truncated, or not written by `save`.
    """
    if not path.is_file():
        raise BadCheckpoint(f"no checkpoint at {path}: give the path of a model.safetensors")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise BadCheckpoint(f"{path} is {_what_is(path)} ({error})") from error
    if "facts" not in metadata:
        raise BadCheckpoint(
            f"{path} holds weights but not the configuration that builds their model: use the "
            f"model.safetensors of a run folder"
        )
    return json.loads(metadata["facts"])


def load(path: Path, model: nn.Module) -> None:
    """Put the weights of a file in a model.

    Raises:
        BadCheckpoint: unreadable, not finite, or of other names or shapes.
    """
    read_facts(path)
    state = load_file(path)
    if broken := [name for name, x in state.items() if not x.isfinite().all()]:
        raise BadCheckpoint(
            f"{path} holds NaN or infinity in {_few(broken)}: copy it again, or delete it to "
            f"finish its training anew from the last checkpoint, which is kept"
        )
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        # Torch names every parameter, of which there may be thousands.
        reason = " ".join(str(error).split())[:500]
        raise BadCheckpoint(f"{path} does not fit the configured model: {reason}") from error


def load_averaged(path: Path, model: nn.Module) -> None:
    """Put the averaged weights of a training checkpoint in a model."""
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "ema.model."
    model.load_state_dict(
        {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    )


def check_resumable(path: Path) -> None:
    """Refuse a training checkpoint that is damaged or that only pickle could load.

    Torch itself looks at no checksum, and would go on from whatever numbers it finds.

    Raises:
        BadCheckpoint: with the way out.
    """
    try:
        _check_sums(path)  # first, or damage may read as a wish to run code
        state = torch.load(path, map_location="meta", weights_only=True)
    except (RuntimeError, EOFError, OSError, LookupError, ValueError, *DAMAGE) as error:
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise BadCheckpoint(
                f"{path} needs pickle to load, which can run any code: refused; delete it to train "
                f"this stage anew, or convert its tensors to safetensors"
            ) from error
        raise BadCheckpoint(
            f"{path} is truncated or corrupt ({error}): delete it to train this stage anew"
        ) from error
    if not isinstance(state, dict) or "samples_seen" not in state:
        raise BadCheckpoint(
            f"{path} is not a state of this training: delete it to train this stage anew"
        )


def _check_sums(path: Path) -> None:
    if not zipfile.is_zipfile(path):  # cut short, or of an older format: torch will say
        return
    with zipfile.ZipFile(path) as archive:
        part = archive.testzip()
    if part is not None:
        raise zipfile.BadZipFile(f"the checksum of {part} is wrong")


def fingerprint(model: nn.Module) -> str:
    """Sixteen hex digits of the SHA-256 of a model's names and values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _what_is(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(9)
    safetensors = start[8:] == b"{"  # after the header's length, which may begin like a pickle
    if not safetensors and start.startswith((b"PK", b"\x80")):
        return (
            "a pickle-based checkpoint, which can run any code when loaded: refused; convert its "
            "tensors to safetensors"
        )
    return "truncated or not a safetensors file: copy or train it again"
