"""Tensors of a checkpoint that pickles other objects beside them, such as one of Lightning.

What the file names is replaced by stand-ins, see `data.files.inert`: nothing of it is imported or
run. Tensors, dicts, lists and numbers are rebuilt.
"""

import collections
import contextlib
import pickle
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save_file
from torch import Tensor

from data.files.inert import Inert, Reader
from data.files.whole import write_whole
from ldm.hub.weights import BadCheckpoint, few, named_weights

__all__ = ["write_tensors"]


class Object(Inert):
    """A stand-in for an object of any class, also for a list, dict or set of its own class."""

    dump_patches = False  # torch asks for it where its older format has the source of a module

    def _forget(self, *_: object) -> None:
        """Drop what a container is filled with."""

    append = extend = add = __setitem__ = _forget


class RebuiltTensor(Inert):
    """A stand-in for the functions by which torch makes a tensor of a storage."""

    def __new__(
        cls,
        storage: object,
        offset: int,
        size: tuple[int, ...],
        stride: tuple[int, ...],
        *_: object,
    ) -> Any:
        if not isinstance(storage, torch.TypedStorage):
            raise pickle.UnpicklingError("a tensor without a storage")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if min(size, default=1) > 0 and not 0 <= last < storage._size():
            raise pickle.UnpicklingError("a tensor larger than its storage")
        return torch._utils._rebuild_tensor(storage, offset, size, stride)


class RebuiltParameter(Inert):
    """A stand-in for the functions that make a parameter of a tensor, which it is here."""

    def __new__(cls, tensor: object, *_: object) -> Any:
        return tensor


class RebuiltOfType(Inert):
    """A stand-in for the function that makes a tensor with attributes, which are left out."""

    def __new__(cls, rebuild: object, _: object, values: tuple[Any, ...], *__: object) -> Any:
        if rebuild is not RebuiltTensor:
            raise pickle.UnpicklingError("a tensor in an unknown form")
        return RebuiltTensor(*values)


class CheckpointReader(Reader):
    """An unpickler that knows tensors and dicts, and takes anything else for an `Object`."""

    known: ClassVar[Mapping[str, type]] = {
        "collections.OrderedDict": collections.OrderedDict,
        "torch._utils._rebuild_tensor": RebuiltTensor,
        "torch._utils._rebuild_tensor_v2": RebuiltTensor,
        "torch._utils._rebuild_parameter": RebuiltParameter,
        "torch._utils._rebuild_parameter_with_state": RebuiltParameter,
        "torch._tensor._rebuild_from_type_v2": RebuiltOfType,
    }
    other = Object


def write_tensors(path: Path, output: Path) -> list[str]:
    """Write the weights in a torch file to a safetensors file.

    Args:
        path: of a file that `torch.save` wrote. Of a training's checkpoint, weights are what
            `ldm.hub.weights.named_weights` finds.
        output: file to write.

    Returns:
        What was written and what was left out, a line each.

    Raises:
        BadCheckpoint: the file is missing, damaged, of TorchScript, or has no named tensors; or
            `output` is there.
    """
    if output.exists():
        raise BadCheckpoint(f"{output} is there: choose another output=...")
    found = named_weights(_read(path))
    found = found if isinstance(found, dict) else {}
    # Copies, since safetensors refuses tensors that share memory.
    state = {
        str(key): x.clone(memory_format=torch.contiguous_format)
        for key, x in found.items()
        if isinstance(x, Tensor)
    }
    if not state:
        raise BadCheckpoint(f"{path} holds something else than named tensors: give another file")
    write_whole(output, lambda temporary: save_file(state, temporary, {"format": "pt"}))
    other = [str(key) for key, x in found.items() if not isinstance(x, Tensor)]
    said = [f"left out, as they are no tensors: {few(other)}"] if other else []
    return [f"{output}: {len(state)} tensors of {path}", *said]


def _read(path: Path) -> Any:
    """Read a torch file; objects in it that are neither tensors nor plain become an `Object`."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is refused or read below
            # First as torch itself would: it refuses TorchScript and the oldest format, tar, which
            # below would be handed to other readers than ours.
            with contextlib.suppress(pickle.UnpicklingError):
                return torch.load(path, map_location="cpu", weights_only=True)
            module = types.SimpleNamespace(
                __name__=__name__,
                Unpickler=CheckpointReader,
                load=lambda file, **options: CheckpointReader(file, **options).load(),
            )
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=module)
    except OSError as error:
        raise BadCheckpoint(f"no weights at {path}: {error.strerror or error}") from error
    except Exception as error:  # damaged files raise errors of every kind
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise BadCheckpoint(
            f"{path} is not a whole file of weights ({reason}): nothing in it was run; fetch it "
            f"again"
        ) from error
