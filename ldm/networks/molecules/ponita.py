"""PONITA: separable convolutions of point sets over positions and a grid of orientations.

Source: Bekkers et al., "Fast, expressive SE(n) equivariant networks through weight-sharing in
position-orientation space", 2024: the model on a fibre bundle, whose features are functions of a
point and an orientation. Weights have the published names, but for `blocks` in place of
`interaction_layers`.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ldm.networks.molecules.by_size import in_parts
from ldm.networks.molecules.orientations import orientations
from ldm.networks.molecules.separable import SeparableConvolution

__all__ = ["PONITA", "cut_off", "invariants", "lift", "read_out"]


class Polynomials(nn.Module):
    """All products of up to `degree` of the numbers; those in another order are repeated."""

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b _"]:
        powers = [x]
        for _ in range(1, self.degree):
            powers.append((powers[-1].unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2))
        return torch.cat(powers, -1)


def basis_of(numbers: int, degree: int, width: int, basis: int) -> nn.Sequential:
    """A perceptron of the polynomials of some numbers: what kernels are linear in."""
    features = sum(numbers**k for k in range(1, degree + 1))
    layers = [nn.Linear(features, width), nn.GELU(), nn.Linear(width, basis), nn.GELU()]
    return nn.Sequential(Polynomials(degree), *layers)


class Block(nn.Module):
    """A ConvNeXt block: a convolution of each feature, and a residual perceptron of all.

    Args:
        width: of the features.
        basis: functions that kernels are linear in.
        layer_scale: initial value of learned factors of what a block adds; None for no factors.
    """

    def __init__(self, width: int, basis: int, layer_scale: float | None = None) -> None:
        super().__init__()
        self.conv = SeparableConvolution(width, basis)
        self.norm = nn.LayerNorm(width)
        self.linear_1 = nn.Linear(width, 4 * width)
        self.linear_2 = nn.Linear(4 * width, width)
        scale = None if layer_scale is None else nn.Parameter(torch.full((width,), layer_scale))
        self.register_parameter("layer_scale", scale)

    def forward(
        self,
        x: Float[Tensor, "b n o d"],
        basis: Float[Tensor, "b n n o k"],
        fiber_basis: Float[Tensor, "o o k"],
    ) -> Float[Tensor, "b n o d"]:
        h = self.norm(self.conv(x, basis, fiber_basis))
        h = self.linear_2(F.gelu(self.linear_1(h)))
        return x + (h if self.layer_scale is None else self.layer_scale * h)


class PONITA(nn.Module):
    """Maps features and vectors of points to such, whatever frame and order they are in.

    Nothing changes when all points are moved, and exchanging points exchanges what comes out.
    Rotations that map the grid of orientations to itself turn the vectors that come out, exactly;
    others do about so. The mask may leave places empty: they have no influence, and come out as
    zeros.

    The first batch in training mode sets the scale of each convolution, so that features keep their
    standard deviation; all processes use that of their batches together. The grid and the scales
    are buffers, and so in every checkpoint. The published code scales initial weights by the same
    numbers instead; the function is the same, but a moving average of weights has no part in it.

    With `checkpointing` set to True, the backward pass recomputes the activations of each block
    instead of storing them.

    Args:
        in_features, out_features: scalars of each point.
        in_vectors, out_vectors: vectors of each point.
        width: of the features in between.
        depth: number of blocks.
        basis: functions of the invariants that kernels are linear in.
        orientations: directions of the grid, see `ldm.networks.molecules.orientations`.
        degree: of the polynomials of invariants.
        radius: beyond which points do not see each other; None to see all.
        told: numbers of a whole set that kernels depend on, such as the time.
        layer_scale: initial value of learned factors of what each block adds, published 1e-6 for
            bodies in motion; None for no factors, as published for molecules.
        multiple_readouts: read out after every block, and take the mean, instead of the last.

    Raises:
        ValueError: a size is less than 1.

    Example:
        >>> network = PONITA(5, 1, out_vectors=1, width=32, depth=2, basis=32)
        >>> h, v = network(torch.zeros(2, 7, 5), torch.zeros(2, 7, 3), torch.ones(2, 7).bool())
        >>> h.shape, v.shape
        (torch.Size([2, 7, 1]), torch.Size([2, 7, 1, 3]))
    """

    grid: Float[Tensor, "o 3"]
    calibrated: Bool[Tensor, ""]

    def __init__(
        self,
        in_features: int,
        out_features: int,
        in_vectors: int = 0,
        out_vectors: int = 0,
        width: int = 256,
        depth: int = 9,
        basis: int = 256,
        orientations: int = 16,
        degree: int = 3,
        radius: float | None = None,
        told: int = 0,
        layer_scale: float | None = None,
        multiple_readouts: bool = False,
    ) -> None:
        super().__init__()
        if min(width, depth, basis, degree) < 1:
            raise ValueError(
                f"PONITA needs a width, depth, basis and degree of 1 or more, got {width}, "
                f"{depth}, {basis} and {degree}"
            )
        self.out_features, self.radius, self.told = out_features, radius, told
        self.checkpointing = False
        self.register_buffer("grid", _grid(orientations))
        self.register_buffer("calibrated", torch.tensor(False))
        self.basis_fn = basis_of(2 + told, degree, width, basis)
        self.fiber_basis_fn = basis_of(1, degree, width, basis)
        self.x_embedder = nn.Linear(in_features + in_vectors, width)
        self.blocks = nn.ModuleList(Block(width, basis, layer_scale) for _ in range(depth))
        self.read_out_layers = nn.ModuleList(
            nn.Linear(width, out_features + out_vectors)
            for _ in range(depth if multiple_readouts else 1)
        )

    def forward(
        self,
        h: Float[Tensor, "b n scalars"],
        x: Float[Tensor, "b n 3"],
        mask: Bool[Tensor, "b n"],
        vectors: Float[Tensor, "b n vectors 3"] | None = None,
        told: Float[Tensor, "b told"] | None = None,
    ) -> tuple[Float[Tensor, "b n out"], Float[Tensor, "b n out_vectors 3"]]:
        """Scalars and vectors that come out, from those that go in, and positions."""
        vectors = h.new_zeros(*h.shape[:2], 0, 3) if vectors is None else vectors
        told = h.new_zeros(len(h), self.told) if told is None else told
        grid = self.grid.to(x.dtype)
        given = lift(h, vectors, grid), x, mask
        if self.training and not h.is_meta and not self.calibrated:
            self._calibrate(*given, told)
        f = in_parts(self._dense, mask, given, (told,))
        return read_out(f, grid, self.out_features)

    def _dense(self, f: Tensor, x: Tensor, mask: Tensor, told: Tensor) -> Tensor:
        basis, fiber_basis = self._bases(x, mask, told)
        f, after = self.x_embedder(f), []
        for block in self.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                f = checkpoint(block, f, basis, fiber_basis, use_reentrant=False)
            else:
                f = block(f, basis, fiber_basis)
            after.append(f)
        last = after[-len(self.read_out_layers) :]
        read = sum(layer(f) for layer, f in zip(self.read_out_layers, last, strict=True))
        return torch.where(mask[..., None, None], read / len(last), 0)

    def _bases(self, x: Tensor, mask: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """Functions of pairs of points, zero for those that are empty or far, and of directions."""
        grid = self.grid.to(x.dtype)
        along, across = invariants(x, grid)
        told = told[:, None, None, None].expand(*along.shape, -1)
        basis = self.basis_fn(torch.cat([torch.stack([along, across], -1), told], -1))
        seen = (mask.unsqueeze(2) & mask.unsqueeze(1)).to(basis.dtype)
        if self.radius is not None:
            apart = torch.linalg.vector_norm(x.unsqueeze(1) - x.unsqueeze(2), dim=-1)
            seen = seen * cut_off(apart / self.radius).to(basis.dtype)
        fiber_basis = self.fiber_basis_fn((grid @ grid.T).unsqueeze(-1))
        return basis * seen[..., None, None], fiber_basis

    @torch.no_grad()
    def _calibrate(self, f: Tensor, x: Tensor, mask: Tensor, told: Tensor) -> None:
        basis, fiber_basis = self._bases(x, mask, told)
        f = self.x_embedder(f)
        for block in self.blocks:
            block.conv.calibrate(f, basis, fiber_basis, mask)
            f = block(f, basis, fiber_basis)
        self.calibrated.fill_(True)


def _grid(count: int) -> Float[Tensor, "o 3"]:
    return orientations(count).float()


def invariants(
    x: Float[Tensor, "b n 3"], grid: Float[Tensor, "o 3"]
) -> tuple[Float[Tensor, "b n n o"], Float[Tensor, "b n n o"]]:
    """How far each point lies from each, along each direction and across it: receivers first."""
    apart = (x.unsqueeze(1) - x.unsqueeze(2)).unsqueeze(-2)
    along = (apart * grid).sum(-1)  # autocast takes matrix products in half precision
    across = apart - along.unsqueeze(-1) * grid
    return along, torch.linalg.vector_norm(across, dim=-1)


def cut_off(distance: Float[Tensor, "*b"], power: int = 6) -> Float[Tensor, "*b"]:
    """A polynomial that falls smoothly from 1 at 0 to 0 at 1 (Gasteiger et al. 2020)."""
    p, d = power, distance.clamp(max=1)
    first, second, third = (p + 1) * (p + 2) / 2, p * (p + 2), p * (p + 1) / 2
    return 1 - first * d**p + second * d ** (p + 1) - third * d ** (p + 2)


def lift(
    scalars: Float[Tensor, "b n s"], vectors: Float[Tensor, "b n v 3"], grid: Float[Tensor, "o 3"]
) -> Float[Tensor, "b n o _"]:
    """Functions of the orientation: scalars are constant, and vectors their part along it."""
    repeated = scalars.unsqueeze(2).expand(-1, -1, len(grid), -1)
    along = (vectors.unsqueeze(2) * grid.unsqueeze(1)).sum(-1)
    return torch.cat([repeated, along], -1)


def read_out(
    f: Float[Tensor, "b n o _"], grid: Float[Tensor, "o 3"], scalars: int
) -> tuple[Float[Tensor, "b n scalars"], Float[Tensor, "b n v 3"]]:
    """Scalars and vectors of functions of the orientation: the means of f and of f times it.

    A vector that was lifted comes back as a third of itself.
    """
    scalar, vector = f.split([scalars, f.shape[-1] - scalars], -1)
    vector = vector.to(grid.dtype).unsqueeze(-1) * grid.unsqueeze(1)
    return scalar.mean(2), vector.mean(2)
