"""Starting a training from weights that need not fit the model entirely."""

from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ldm.hub.checkpoints import resolve
from ldm.hub.published import PUBLISHED, published_state
from ldm.hub.weights import BadCheckpoint, few, put, read_facts
from ldm.networks.embedders import LabelEmbedder

__all__ = ["start_from"]


def start_from(
    checkpoint: str | Path, model: nn.Module, stage: str, resize_classes: bool = False
) -> str:
    """Load the weights that a training starts from: tensors of the same name and shape.

    What is not trained, such as fixed position embeddings, keeps its values if the shapes differ.

    Args:
        checkpoint: as for `ldm.hub.checkpoints.resolve`.
        model: changed in place. Its `starting(state)`, if it has one, says which of its tensors
            begin as those of the file.
        stage: as for `ldm.hub.checkpoints.resolve`.
        resize_classes: fit class tables of other sizes. Classes that both have keep their rows, the
            last row remains that of no class, and the rows of new classes stay as they are.

    Returns:
        What was loaded and what was not, in words.

    Raises:
        BadCheckpoint: as for `ldm.hub.checkpoints.load_into`; a trained tensor has another shape;
            or the file and the model have no name in common.
    """
    name, path = resolve(checkpoint, stage)
    if name is None:
        read_facts(path)
        state = load_file(path)
    else:
        module = PUBLISHED[name].module
        state = published_state(name, model, path)
        state = {f"{module}.{key}".lstrip("."): value for key, value in state.items()}
    state = getattr(model, "starting", dict)(state)
    own = model.state_dict()
    shared = [key for key in own if key in state]
    if not any(key in state for key, _ in model.named_parameters()):
        raise BadCheckpoint(
            f"{path} has no tensor of the {stage}: the file has {few(state)}, the model has "
            f"{few(own)}"
        )
    if resize_classes:
        state |= {key: _resized(state[key], own[key]) for key in _tables(model) if key in state}
    other = [key for key in shared if state[key].shape != own[key].shape]
    trained = {key for key, value in model.named_parameters() if value.requires_grad}
    if wrong := [key for key in other if key in trained]:
        _refuse(path, stage, wrong, state, own, _tables(model))
    loaded = {key: state[key] for key in shared if key not in other}
    put(own | loaded, model, path)
    rest = {
        "not loaded, of another shape": other,
        "new in the model": [key for key in own if key not in state],
        "not used of the file": [key for key in state if key not in own],
    }
    said = [f"{words}: {few(keys)}" for words, keys in rest.items() if keys]
    return "; ".join([f"{stage} starts from {len(loaded)} tensors of {path}", *said])


def _tables(model: nn.Module) -> list[str]:
    """Names of the weights of class tables."""
    found = [key for key, each in model.named_modules() if isinstance(each, LabelEmbedder)]
    return [f"{key}.embedding_table.weight" for key in found]


def _resized(table: Tensor, own: Tensor) -> Tensor:
    classes = min(len(table), len(own)) - 1
    return torch.cat([table[:classes], own[classes:-1].to(table), table[-1:]])


def _refuse(
    path: Path,
    stage: str,
    wrong: list[str],
    state: dict[str, Tensor],
    own: dict[str, Tensor],
    tables: Iterable[str],
) -> None:
    first = wrong[0]
    remedy = "choose the sizes that it was trained with"
    if set(wrong) <= set(tables):
        remedy = f"add {stage}.resize_classes=true to start with the classes that both have"
    raise BadCheckpoint(
        f"{path} does not fit the configured model in {few(wrong)}: {first} is "
        f"{tuple(state[first].shape)} in the file and {tuple(own[first].shape)} in the model; "
        f"{remedy}"
    )
