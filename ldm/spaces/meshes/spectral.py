"""Spectral distances on surfaces, from the eigenfunctions of the Laplacian."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from ldm.spaces.meshes.surface import Surface
from ldm.spaces.premetric import Premetric

__all__ = ["SpectralDistance"]


class SpectralDistance(Premetric):
    """Distance `d(x, z)^2 = sum_i w(lambda_i) (phi_i(x) - phi_i(z))^2` over Laplacian eigenpairs.

    It is the Euclidean distance after an embedding with one dimension per eigenfunction, linear on
    each face, so its gradients have a closed form. It replaces the geodesic distance in flows (Chen
    and Lipman 2024, "Flow matching on general geometries", section 3.2) and bridges (Jo and Hwang
    2024, "Generative modeling on manifolds through mixture of Riemannian diffusion processes",
    section 3.3).

    Args:
        surface: the surface on which the points lie: a `Mesh`.
        kind: the weights w. `biharmonic`, 1 / lambda^2, has units of length (Lipman, Rustamov and
            Funkhouser 2010); `diffusion`, exp(-2 tau lambda); `commute`, 1 / lambda, whose sum
            grows with the number of eigenfunctions, and whose local minima may stop descent.
        tau: the time of `diffusion`, in squared lengths; unused by other kinds.

    Raises:
        ValueError: `kind` is unknown.

    Example:
        >>> from ldm.spaces import Mesh
        >>> import igl
        >>> _ = igl.writeOBJ("icosahedron.obj", *igl.icosahedron())
        >>> ball = Mesh("icosahedron.obj", eigenfunctions=4)
        >>> x, z = ball.random(128), ball.random(128)
        >>> SpectralDistance(ball).direction(x, z).shape
        torch.Size([128, 3])
    """

    def __init__(
        self,
        surface: Surface,
        kind: str = "biharmonic",
        tau: float = 0.25,
    ) -> None:
        values, functions = map(torch.from_numpy, surface.spectrum)
        weights = {
            "biharmonic": values**-2,
            "commute": 1 / values,
            "diffusion": (-2 * tau * values).exp(),
        }
        if kind not in weights:
            raise ValueError(f"a spectral distance is one of {sorted(weights)}, got {kind!r}")
        self.surface = surface
        self.embedding: Float[Tensor, "vertices k"] = functions * weights[kind].sqrt()
        self.faces = torch.from_numpy(surface.faces)

    def distance(self, x: Float[Tensor, "n 3"], z: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return vector_norm(self._apart(x, z)[0], dim=1).to(x)

    def gradient(self, x: Float[Tensor, "n 3"], z: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Compute the gradient of the squared distance in `x`, along the surface."""
        return self._descent(x, z)[1].to(x)

    def direction(self, x: Float[Tensor, "n 3"], z: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Compute `-2 D grad D / |grad D|^2` for the squared distance D; zero where `x` is `z`.

        It is unbounded where the gradient vanishes, which happens somewhere far from `z` on every
        closed surface.
        """
        squared, gradient = self._descent(x, z)
        steepness = gradient.square().sum(1, keepdim=True).clamp(min=1e-20)
        return (-2 * squared[:, None] * gradient / steepness).to(x)

    def _descent(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        apart, corners, face = self._apart(x, z)
        along = torch.einsum("nck,nk->nc", corners, apart)
        slopes = self.surface.slopes[face].to(apart)
        return apart.square().sum(1), 2 * torch.einsum("nc,ncd->nd", along, slopes)

    def _apart(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the embedding of `x` minus that of `z`; the corners and index of x's face."""
        face, coordinates = self.surface.locate(torch.cat([x, z]))
        corners = self.embedding[self.faces[face]].to(coordinates)
        embedded = torch.einsum("nc,nck->nk", coordinates, corners)
        n = len(x)
        return embedded[:n] - embedded[n:], corners[:n], face[:n]
