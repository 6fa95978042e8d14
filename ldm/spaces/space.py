"""The space that latents live in: the one idea under tokenizers, priors and samplers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

from ldm.randomness import Generators, normal
from ldm.spaces.heat_kernel import HeatKernel

__all__ = ["Space"]


class Space(ABC):
    """A set of points with a geometry and a reference measure.

    Points and tangent vectors are tensors `(n, *shape)` in ambient coordinates. Distances are in
    the units of those coordinates (radians on unit spheres), log densities in nats against the
    Riemannian volume. Variances are per unit tangent direction: a Brownian motion of variance s
    moves by `N(0, s I)` in normal coordinates when s is small.
    """

    shape: tuple[int, ...]
    """The shape of one point in ambient coordinates."""

    dim: int
    """The number of directions to move in from a point."""

    log_volume: float = math.inf
    """Log of the volume of the whole space, nats."""

    linear: bool = False
    """True if sums and multiples of points are points, as Gaussian processes need."""

    separable: bool = False
    """True if entries of a point, or the points of a product, can be chosen one by one."""

    feature_axis: int = 0
    """The axis of a point whose entries have a mean and a standard deviation each: its channels."""

    @property
    def entries(self) -> int | Float[Tensor, " n"]:
        """The number of entries of a point that count; in a view with a mask, one number a sample.

        A mean over a point is `inner(x, v, v) / entries`.
        """
        return math.prod(self.shape)

    @property
    def directions(self) -> int | Num[Tensor, " n"]:
        """The number of directions from a point; in a view with a mask, one number a sample."""
        return self.dim

    def on(self, context: Mapping[str, Tensor]) -> "Space":
        """The view of the space for these samples: itself, unless points differ in what they hold.

        A view is a space for as many points as the context has rows, in their order. Where `dim`
        differs from sample to sample it is the largest, and `frame` ignores the coordinates beyond
        a sample's own.

        Args:
            context: tensors with one row a sample, `mask` say; keys that mean nothing to the space
                are ignored.
        """
        return self

    @abstractmethod
    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` points from the reference measure; one generator for all, or one for each."""

    @abstractmethod
    def project(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The nearest point of the space to each ambient point."""

    @abstractmethod
    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """The orthogonal projection of ambient vectors `v` on the tangent spaces at `x`."""

    @abstractmethod
    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The end of the geodesic from `x` with velocity `v` after one unit of time."""

    @abstractmethod
    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The shortest tangent vector at `x` with `exp(x, log(x, y)) = y`."""

    def inner(
        self, x: Float[Tensor, "n ..."], u: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        """The metric: the inner product of tangent vectors `u` and `v` at `x`."""
        return (u * v).flatten(1).sum(1)

    @abstractmethod
    def transport(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """Tangent vectors `v` at `x`, carried to `y` in parallel along the shortest geodesic."""

    @abstractmethod
    def frame(self, x: Float[Tensor, "n ..."], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n ..."]:
        """The tangent vector with coordinates `c` in some orthonormal basis at `x`.

        An isometry of R^dim with the tangent space, linear in `c`; which basis is the space's own
        choice, and it need not be continuous in `x`. In a view whose samples have fewer directions
        than `dim`, the coordinates beyond a sample's own are ignored.
        """

    def random_tangent(
        self, x: Float[Tensor, "n ..."], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        """Standard normal tangent vectors at `x`, of variance 1 in each unit direction."""
        return self.frame(x, normal((len(x), self.dim), generator, x.device, x.dtype))

    def gradient(
        self, x: Float[Tensor, "n ..."], euclidean: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """The Riemannian gradient at `x` of a function whose ambient partial derivatives are given.

        The tangent vector g with `inner(x, g, v) = sum(euclidean * v)` for every tangent v.
        """
        return self.tangent(x, euclidean)  # right where the metric is that of the space around

    def log_volume_element(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """`1/2 log det G(x)`: log of the volume of a unit cube of ambient coordinates.

        Zero where the space lies isometrically among its ambient coordinates: there the divergence
        of a tangent field V is `sum_i <e_i, DV[e_i]>` over an orthonormal frame. In a chart that is
        not isometric (a Poincare ball, SPD matrices) the derivative of this function along V has
        to be added to the divergence of V in coordinates.
        """
        return x.new_zeros(x.shape[:1])

    def log_exp_jacobian(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        """`log |det d exp_x|` at `v` in orthonormal frames: by what volumes grow under `exp`.

        Raises:
            ValueError: it is not known in closed form here.
        """
        raise ValueError(
            f"the Jacobian of exp on {self} is not known in closed form, so distributions "
            f"pushed through exp have no density there: use the heat kernel, or another space"
        )

    def scalar_curvature(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """The trace of the Ricci tensor at `x`: `d (d - 1)` on the unit sphere S^d.

        Raises:
            ValueError: it is not known here.
        """
        raise ValueError(
            f"the scalar curvature of {self} is not known, so short-time expansions of its heat "
            f"kernel cannot be used there: choose a flat space, a sphere, a group, or a product"
        )

    @property
    def heat_kernel(self) -> HeatKernel:
        """The distribution of Brownian motion on the space.

        Raises:
            ValueError: it is not known in closed form here.
        """
        raise ValueError(
            f"the heat kernel of {self} is not known in closed form: noise by a random walk, and "
            f"learn by implicit score matching, bridges or flow matching"
        )

    @abstractmethod
    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Geodesic distance between each pair of points."""

    @abstractmethod
    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density of the reference measure against the volume of the space, nats."""

    def embed(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n _"]:
        """Coordinates whose straight distances grow with those of the space, and close it."""
        return x.flatten(1)

    def spread(self, n: int) -> Num[Tensor, "n ..."]:
        """About `n` points that share the volume of a compact space evenly, for sums over it.

        Drawn at random, always the same, where the space knows nothing better.
        """
        return self.random(n, torch.Generator().manual_seed(0), dtype=torch.float64)

    def features(self, x: Num[Tensor, "n ..."]) -> Num[Tensor, "features numbers"]:
        """The numbers of each feature, from which its mean and standard deviation are measured.

        A view with a mask leaves padding out.
        """
        return x.movedim(1 + self.feature_axis, 0).flatten(1)

    def moments(
        self, mean: Float[Tensor, "..."], std: Float[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """The shift and scale that normalise latents with these means and standard deviations.

        Zero and one in a space without a linear structure, whose points are already where they
        belong.
        """
        return torch.zeros_like(mean), torch.ones_like(std)

    def affine(
        self,
        x: Float[Tensor, "n ..."],
        scale: Float[Tensor, " features"],
        shift: Float[Tensor, " features"],
    ) -> Float[Tensor, "n ..."]:
        """`x * scale + shift` along the feature axis; a view with a mask keeps padding at zero."""
        size = [1] * x.ndim
        size[1 + self.feature_axis] = -1
        return x * scale.to(x).view(size) + shift.to(x).view(size)

    def replace(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], kept: Bool[Tensor, "_ ..."]
    ) -> Float[Tensor, "n ..."]:
        """The nearest to `x`, points or tangent vectors, that agree with `y` where `kept`.

        Args:
            x: points, or tangent vectors.
            y: of the same kind.
            kept: which entries, of a shape that broadcasts to theirs; whole points of a product.

        Raises:
            ValueError: the entries of a point cannot be chosen one by one.
        """
        if not self.separable:
            raise ValueError(f"points of {self} are one piece, of which no part can be kept")
        return torch.where(kept, y, x)

    def check(self, x: Float[Tensor, "n ..."]) -> None:
        """Refuse what are no points of the space.

        Raises:
            ValueError: a number is not finite, or a point is off the space by more than rounding.
        """
        if not torch.isfinite(x).all():
            raise ValueError(f"points of {self} must be finite, got NaN or infinity")
        off = (x - self.project(x)).flatten(1).norm(dim=1).max().item() if len(x) else 0.0
        if off > 1e-3:
            raise ValueError(
                f"points are off {self} by up to {off:.3g}: project them first, or choose the "
                f"space that they live in"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    @abstractmethod
    def __repr__(self) -> str:
        """Name and numbers that tell this space from every other; stored with checkpoints."""
