"""The Riemannian divergence of a tangent field, exactly or by a random probe.

`div V = sum_i <e_i, DV[e_i]>` over an orthonormal frame, D the ambient derivative: only
directions in the space are asked for, so it does not matter how V goes on outside of it. Charts
that are not isometric add the derivative of their volume element along V.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp, vmap

from ldm.spaces.space import Space

__all__ = ["divergence", "hutchinson_divergence"]

Field = Callable[[Tensor], Tensor]

TOGETHER = 100  # axes at a time: memory grows with them


def divergence(
    space: Space, field: Field, x: Float[Tensor, "n ..."]
) -> tuple[Float[Tensor, "n ..."], Float[Tensor, " n"]]:
    """The field at `x` and its exact divergence: as many forward derivatives as dimensions."""
    x = x.contiguous()  # forward derivatives refuse tensors that share memory with themselves
    axes = torch.eye(space.dim, device=x.device, dtype=x.dtype)

    def along(axis: Tensor) -> tuple[Tensor, Tensor]:
        e = space.frame(x, axis.expand(len(x), -1))
        value, derivative = jvp(field, (x,), (e,))
        return value, space.inner(x, e, derivative)

    # The value is the same along all axes, and is computed once for each part of them.
    terms = []
    for part in axes.split(TOGETHER):
        value, own = vmap(along, out_dims=(None, 0), randomness="same")(part)  # dropout's, say
        terms.append(own.sum(0))
    return value, sum(terms) + _stretch(space, x, value)


def hutchinson_divergence(
    space: Space, field: Field, x: Float[Tensor, "n ..."], probe: Float[Tensor, "n ..."]
) -> tuple[Float[Tensor, "n ..."], Float[Tensor, " n"]]:
    """The field at `x` and an estimate of its divergence along one probe.

    It is unbiased if the probe's coordinates in a frame are independent, of mean 0 and variance 1;
    signs have the least variance.
    """
    x = x.contiguous()
    value, derivative = jvp(field, (x,), (probe,))
    return value, space.inner(x, probe, derivative) + _stretch(space, x, value)


def _stretch(space: Space, x: Tensor, v: Tensor) -> Tensor:
    return jvp(space.log_volume_element, (x,), (v,))[1]
