"""Read and write weights: safetensors with the facts that rebuild the model, never a pickle."""

import hashlib
import json
import pickle
import re
import shlex
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from data.files.whole import write_whole

__all__ = [
    "BadCheckpoint",
    "check_resumable",
    "few",
    "fingerprint",
    "load",
    "load_averaged",
    "named_weights",
    "put",
    "read_facts",
    "read_script",
    "read_state",
    "samples_seen",
    "save",
]


NESTED = ("ema", "state_dict", "model_state_dict", "model", "module")
"""Entries of a training's checkpoint that hold its weights, the preferred first; DeepSpeed's is
`module`."""

DAMAGE = (pickle.UnpicklingError, zipfile.BadZipFile, zlib.error)


class BadCheckpoint(ValueError):
    """A checkpoint cannot be used; the message says which one, why, and what to do."""


def save(path: Path, model: nn.Module, facts: dict[str, Any]) -> None:
    """Write a model's state and JSON facts about it to a safetensors file, whole or not at all.

    Raises:
        StorageFull: the device is full; an older file is intact.
    """
    state = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    metadata = {"facts": json.dumps(facts)}
    write_whole(path, lambda temporary: save_file(state, temporary, metadata))


def read_facts(path: Path) -> dict[str, Any]:
    """Read the facts that `save` wrote.

    Raises:
        BadCheckpoint: no such file, not safetensors, truncated, or not written by `save`.
    """
    if not path.is_file():
        raise BadCheckpoint(
            f"no checkpoint at {path}: give a model.safetensors, a run folder, or hub:<name>"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise BadCheckpoint(f"{path} is {_what_is(path)} ({error})") from error
    if "facts" not in metadata:
        raise BadCheckpoint(
            f"{path} holds weights but not the latent space of their model: use the "
            f"model.safetensors of a run folder"
        )
    return json.loads(metadata["facts"])


def load(path: Path, model: nn.Module) -> None:
    """Load the weights that `save` wrote in a model.

    Raises:
        BadCheckpoint: unreadable, not finite, or of other names or shapes.
    """
    read_facts(path)
    put(
        load_file(path),
        model,
        path,
        damaged="copy it again, or delete it to finish its training anew from the last "
        "checkpoint, which is kept",
    )


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, or of a torch file of tensors and plain values.

    Of a training's checkpoint these are its weights, see `named_weights`. No code in the file is
    run; the tensors are on the CPU.

    Raises:
        BadCheckpoint: truncated, needs pickle to load, or not a file of tensors.
    """
    try:
        if _is_safetensors(path):
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # of what is refused below, in our words
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BadCheckpoint(f"no weights at {path}: {error.strerror or error}") from error
    except Exception as error:  # pickle, zip, torch and safetensors each raise their own kinds
        if (named := _objects(path, error)) is not None:
            raise BadCheckpoint(
                f"{path} holds Python objects beside its tensors{named}, and loading these can run "
                f"any code: refused. {keep_tensors(path)}"
            ) from error
        # Torch goes on with advice to run what is in the file.
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
        raise BadCheckpoint(
            f"{path} is not a whole file of weights ({reason}): fetch it again"
        ) from error
    state = named_weights(state)
    if not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
        raise BadCheckpoint(f"{path} holds something else than named tensors: give another file")
    return state


def named_weights(found: Any) -> Any:
    """Find the weights in a training's checkpoint: averaged ones, else its `state_dict` or `model`.

    What has none of these entries is returned as it is.
    """
    if isinstance(found, dict):
        return next((found[key] for key in NESTED if isinstance(found.get(key), dict)), found)
    return found


def keep_tensors(path: Path) -> str:
    """Tell by which command the tensors of a file are kept, and nothing of it is run."""
    command = ["python", "-m", "ldm.hub", "tensors", str(path)]
    command.append(f"output={path.with_suffix('.safetensors')}")
    return f"Its tensors alone are written by: {shlex.join(command)}"


def read_script(path: Path) -> torch.jit.ScriptModule:
    """Read a network as TorchScript, which runs tensor programs alone, no Python; on the CPU.

    Raises:
        BadCheckpoint: the file is damaged, or something else.
    """
    try:
        return torch.jit.load(path, map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadCheckpoint(
            f"{path} is no whole TorchScript file ({reason}): fetch or export it again"
        ) from error


def put(
    state: Mapping[str, Tensor],
    model: nn.Module,
    path: Path,
    reader: str = "the configured model",
    damaged: str = "fetch it again",
) -> None:
    """Load a state dict in a model strictly.

    Args:
        state: of all the model's parameters and buffers.
        model: changed in place.
        path: file that the state was read from, for messages.
        reader: name of the model in messages.
        damaged: what to do about numbers that are not finite.

    Raises:
        BadCheckpoint: not finite, or of other names or shapes.
    """
    if broken := [name for name, x in state.items() if not x.isfinite().all()]:
        raise BadCheckpoint(f"{path} holds NaN or infinity in {few(broken)}: {damaged}")
    own = model.state_dict()
    if other := [key for key, x in own.items() if key in state and state[key].shape != x.shape]:
        first = other[0]
        raise BadCheckpoint(
            f"{path} does not fit {reader} in {few(other)}: {first} is "
            f"{tuple(state[first].shape)} in the file and {tuple(own[first].shape)} in the model: "
            "choose the sizes that it was trained with"
        )
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        # Torch names every parameter, of which there may be thousands.
        lacks, more = (
            [key for key in own if key not in state],
            [key for key in state if key not in own],
        )
        found = [f"lacks {few(lacks)}"] * bool(lacks) + [f"has {few(more)} besides"] * bool(more)
        reason = " and ".join(found) or " ".join(str(error).split())[:500]
        raise BadCheckpoint(
            f"{path} does not fit {reader}: it {reason}: give weights of such a model, or choose "
            f"the parts that it was trained with"
        ) from error


def load_averaged(path: Path, model: nn.Module) -> None:
    """Load the averaged weights of a training checkpoint in a model."""
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "ema.model."
    model.load_state_dict(
        {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    )


def check_resumable(path: Path) -> int:
    """Refuse a training checkpoint that is damaged or that only pickle could load.

    Torch itself checks no checksums and would resume from damaged numbers.

    Returns:
        The samples that its training has seen.

    Raises:
        BadCheckpoint: damaged, unsafe, or not a training checkpoint.
    """
    try:
        _check_sums(path)  # first, since damage can look like a pickle that runs code
        state = torch.load(path, map_location="meta", weights_only=True)
    except (RuntimeError, EOFError, OSError, LookupError, ValueError, *DAMAGE) as error:
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise BadCheckpoint(
                f"{path} needs pickle to load, which can run any code: refused; delete it to train "
                f"this stage anew. {keep_tensors(path)}"
            ) from error
        raise BadCheckpoint(
            f"{path} is truncated or corrupt ({error}): delete it to train this stage anew"
        ) from error
    seen = state.get("samples_seen") if isinstance(state, dict) else None
    if not isinstance(seen, int) or seen < 0:
        raise BadCheckpoint(
            f"{path} is not a state of this training: delete it to train this stage anew"
        )
    return seen


def samples_seen(path: Path) -> int:
    """Read the progress of a training checkpoint that `check_resumable` has accepted."""
    return torch.load(path, map_location="meta", weights_only=True)["samples_seen"]


def _check_sums(path: Path) -> None:
    if not zipfile.is_zipfile(path):  # truncated or of an older format: torch reports it
        return
    with zipfile.ZipFile(path) as archive:
        part = archive.testzip()
    if part is not None:
        raise zipfile.BadZipFile(f"the checksum of {part} is wrong")


def fingerprint(model: nn.Module) -> str:
    """Hash the names and values of a model's state: 16 hexadecimal digits of SHA-256."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def few(names: Iterable[str]) -> str:
    """List the first three names, and count the others."""
    names = list(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _objects(path: Path, error: Exception) -> str | None:
    """Name the object that torch refuses to load, in brackets; None if this is no such error."""
    if found := re.search(r"(?:GLOBAL|Unsupported class) (\S+)", str(error)):
        return f" ({found[1]})"
    # A whole file, whose pickle has instructions that tensors do not need.
    return "" if isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path) else None


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(9)


def _is_safetensors(path: Path) -> bool:
    return _start(path)[8:] == b"{"  # 8 bytes of length, which may look like a pickle, then JSON


def _what_is(path: Path) -> str:
    if not _is_safetensors(path) and _start(path).startswith((b"PK", b"\x80")):
        return (
            "a pickle-based checkpoint, which can run any code when loaded: refused; convert it "
            f"to a run folder: python -m ldm.hub import {shlex.quote(str(path))} --as LAYOUT "
            f"output=FOLDER"
        )
    return "truncated or not a safetensors file: copy or train it again"
