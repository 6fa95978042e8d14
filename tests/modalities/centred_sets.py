"""A space that a mask changes, made up for tests: sets of vectors whose mean is zero."""

import copy
import math

import torch
from jaxtyping import Float

from ldm.randomness import normal
from ldm.spaces import Space


class CentredSets(Space):
    """Up to `places` vectors of two numbers; present ones have mean zero, absent ones are zero.

    The mask `(n, places)` of a context says which are present. Noise is drawn place by place, so
    that what a place gets does not depend on the length of the padding.
    """

    linear = True
    feature_axis = 1

    def __init__(self, places: int, mask: torch.Tensor | None = None) -> None:
        self.shape, self.dim, self.mask = (places, 2), 2 * (places - 1), mask

    def on(self, context):
        if "mask" not in context:
            return self
        view = copy.copy(self)
        view.mask = context["mask"]
        return view

    def present(self, n: int) -> torch.Tensor:
        if self.mask is None:
            return torch.ones(n, self.shape[0], dtype=torch.bool)
        assert len(self.mask) == n, (len(self.mask), n)
        return self.mask

    @property
    def entries(self):
        return math.prod(self.shape) if self.mask is None else 2 * self.mask.sum(1)

    def project(self, x: Float[torch.Tensor, "n ..."]) -> Float[torch.Tensor, "n ..."]:
        mask = self.present(len(x)).unsqueeze(-1)
        x = torch.where(mask, x, 0)
        return torch.where(mask, x - x.sum(1, keepdim=True) / mask.sum(1, keepdim=True), 0)

    def random(self, n, generator=None, device=None, dtype=torch.float32):
        x = torch.zeros(n, *self.shape, dtype=dtype)
        for row, mask in enumerate(self.present(n)):
            own = [generator[row]] if isinstance(generator, list) else generator
            for place in mask.nonzero()[:, 0]:
                x[row, place] = normal((1, 2), own, device, dtype)
        return self.project(x)

    def random_tangent(self, x, generator=None):
        return self.random(len(x), generator, x.device, x.dtype)

    def tangent(self, x, v):
        return self.project(v)

    def exp(self, x, v):
        return x + v

    def log(self, x, y):
        return y - x

    def transport(self, x, y, v):
        return v

    def frame(self, x, c):
        mask = self.present(len(x))
        place = mask.cumsum(1)[:, None] - 1
        j = torch.arange(1, self.shape[0])[:, None]
        helmert = (
            torch.where(place < j, 1, torch.where(place == j, -j, 0))
            / (j * (j + 1)).double().sqrt()
        )
        own = mask[:, None] & (j < mask.sum(1)[:, None, None])
        return torch.einsum("njp,njd->npd", (own * helmert).to(c), c.view(len(c), -1, 2))

    def distance(self, x, y):
        return (y - x).flatten(1).norm(dim=1)

    def log_density(self, x):
        dim = 2 * (self.present(len(x)).sum(1) - 1)
        return -0.5 * x.square().flatten(1).sum(1) - 0.5 * dim * math.log(2 * math.pi)

    def features(self, x):
        return x[self.present(len(x))].T

    def moments(self, mean, std):
        return torch.zeros_like(mean), std

    def affine(self, x, scale, shift):
        return self.tangent(x, super().affine(x, scale, shift))

    def __repr__(self):
        return f"CentredSets({self.shape[0]})"
