"""Calling modules without their weights, to find shapes and costs quickly at any size."""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.func import functional_call

__all__ = ["on_meta", "without_weights"]

T = TypeVar("T")


def on_meta(module: nn.Module, call: Callable[[Any], T]) -> T:
    """Call a function of a module whose weights are replaced by meta tensors: nothing is computed.

    Args:
        module: on any device; it is not changed. Networks in a list `frozen`, which are no
            submodules, are part of it.
        call: called with the module; its other inputs must be on the meta device.

    Raises:
        ValueError, RuntimeError: the inputs do not fit the module.
    """
    whole = nn.ModuleList([module, *getattr(module, "frozen", [])])
    state = {**dict(whole.named_parameters()), **dict(whole.named_buffers())}
    meta = {f"whole.{name}": tensor.detach().to("meta") for name, tensor in state.items()}
    for name, tensor in state.items():
        meta[f"whole.{name}"].requires_grad_(tensor.requires_grad)
    try:
        return functional_call(_Call(whole, call), meta, ())
    except RuntimeError as error:
        if "Invalid channel dimensions" not in str(error):  # all that torch says on this device
            raise
        raise ValueError(
            "a convolution there expects another number of channels: leave its in_channels out, "
            "and it is handed over, or set data.channels"
        ) from error


def without_weights(module: nn.Module) -> nn.Module:
    """Copy a module from any device to the CPU, with all weights zero."""
    bare = copy.deepcopy(module).to_empty(device="cpu")
    with torch.no_grad():
        for tensor in (*bare.parameters(), *bare.buffers()):
            tensor.zero_()
    return bare


class _Call(nn.Module):
    def __init__(self, whole: nn.ModuleList, call: Callable[[nn.Module], Any]) -> None:
        super().__init__()
        self.whole, self.call = whole, call

    def forward(self) -> Any:
        return self.call(self.whole[0])
