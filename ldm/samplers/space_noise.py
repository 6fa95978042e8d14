"""Noise of a space for code that draws standard normal numbers by itself, such as diffusers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ldm.randomness import Generators
from ldm.spaces import Space

__all__ = ["SpaceNoise"]


class SpaceNoise(TorchFunctionMode):
    """Context in which `torch.randn` draws `n` points of a space's own noise, times `scale`.

    A tensor drawn in one piece would depend on its padding and leave a subspace. A space draws what
    its samples have, from their own generators.

    Args:
        space: bound to the samples.
        n: number of samples.
        generator: one, or one a sample.
        scale: factor of the noise.
    """

    def __init__(self, space: Space, n: int, generator: Generators, scale: float = 1.0) -> None:
        super().__init__()
        self.space, self.n, self.generator, self.scale = space, n, generator, scale

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, or draw instead of `torch.randn`."""
        kwargs = kwargs or {}
        if func is not torch.randn:
            return func(*args, **kwargs)
        device, dtype = kwargs.get("device"), kwargs.get("dtype") or torch.get_default_dtype()
        return self.scale * self.space.random(self.n, self.generator, device, dtype)
