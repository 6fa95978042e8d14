"""How networks compute once they are trained: their precision, and whether they are compiled."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

__all__ = ["Execution", "compile_blocks", "fast_precision"]

REPEATED = ("blocks", "down", "middle", "up")
"""Attribute names of stacked blocks or levels in our networks."""


@dataclass
class Execution:
    """Options of trained networks; they change results by rounding only.

    Attributes:
        precision: `bf16-mixed` computes matrix products and convolutions in bfloat16, by autocast;
            `auto` does so where it is the faster, see `fast_precision`.
        compile: compile the repeated blocks, which pays for itself in long runs.

    Example:
        >>> network = nn.Linear(2, 2)
        >>> Execution("bf16-mixed").prepare(network, "cpu")
        >>> network(torch.zeros(1, 2)).dtype
        torch.float32
    """

    precision: Literal["auto", "32-true", "bf16-mixed"] = "32-true"
    compile: bool = False

    def chosen(self, device: torch.device | str) -> str:
        """Precision on a device; differs from `precision` only for `auto`."""
        automatic = self.precision == "auto"
        return fast_precision(torch.device(device).type) if automatic else self.precision

    def prepare(self, network: nn.Module, device: torch.device | str) -> None:
        """Let a network compute so from now on, in place; its weights are left as they are."""
        if self.compile:
            compile_blocks(network)
        if self.chosen(device) == "bf16-mixed":
            autocast = Autocast()
            network.register_forward_pre_hook(autocast.enter)
            network.register_forward_hook(autocast.leave, always_call=True)


class Autocast:
    """Hooks of a network that enter autocast to bfloat16 before each call, and leave it after.

    Hooks follow a network into its copies, unlike a forward method that is replaced.
    """

    def __init__(self) -> None:
        self.open: list[AbstractContextManager] = []

    def enter(self, network: nn.Module, inputs: tuple) -> None:
        """Enter on the device of the first input; shapes on the meta device have no precision."""
        x = inputs[0]
        one = nullcontext() if x.is_meta else torch.autocast(x.device.type, torch.bfloat16)
        one.__enter__()
        self.open.append(one)

    def leave(self, network: nn.Module, inputs: tuple, output: Any) -> Any:
        """Leave, also after an error; what surrounds the network stays in single precision."""
        self.open.pop().__exit__(None, None, None)
        half = isinstance(output, Tensor) and output.dtype == torch.bfloat16
        return output.float() if half else output


def fast_precision(accelerator: str) -> str:
    """Lightning's precision name for the faster of bf16 autocast and float32 on this machine."""
    if accelerator != "cpu" and torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:  # torch.cpu.get_capabilities exists only in recent versions
        native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return "bf16-mixed" if native else "32-true"


def compile_blocks(network: nn.Module) -> None:
    """Compile the repeated blocks of a network, one by one: equal blocks share one graph."""
    for blocks in _repeated(network):
        for block in blocks:
            block.compile()


def _repeated(network: nn.Module) -> Iterator[nn.ModuleList | nn.Sequential]:
    for module in network.modules():
        for name in REPEATED:
            if isinstance(blocks := getattr(module, name, None), nn.ModuleList | nn.Sequential):
                yield blocks
