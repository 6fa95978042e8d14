"""Densities on triangle meshes given by eigenfunctions of the Laplacian."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor

from data.drawing import surface
from data.files.cache import cached, content_key
from data.files.errors import DataError
from data.files.roots import cache_folder
from data.files.sources import Source
from data.points.base import SplitPoints

__all__ = ["MeshDensity"]

URL = (
    "https://raw.githubusercontent.com/harryjo97/riemannian-diffusion-mixture/"
    "e77b2f8968457bdfc238c247df06cf977200bea5/data/mesh/"
)


@dataclass(frozen=True)
class _Mesh:
    source: Source
    scale: float
    eye: tuple[float, float, float]


MESHES = {
    "bunny": _Mesh(
        Source(
            "meshes/bunny.obj",
            "4de73019859d1f959de20977f8a06242c8ede461138c9ea004c7a8ceb59ae26e",
            f"{URL}bunny.obj",
        ),
        scale=1 / 250,
        eye=(0, 0, 1),
    ),
    "spot": _Mesh(
        Source(
            "meshes/spot.obj",
            "0738b5e8608fed74e5e8c7aa8dd0af97b4b74f9f6cbf7aac84cd7e40b2e44a75",
            f"{URL}spot.obj",
        ),
        scale=1.0,
        eye=(-1, 0.4, -1),
    ),
}


class MeshDensity(SplitPoints):
    """Points on a mesh where an eigenfunction of its Laplacian is positive (Chen and Lipman, 2024).

    The mesh is refined. As published, a face's probability is proportional to the mean of the
    eigenfunction over its vertices if that is positive, else zero, irrespective of the face's area;
    within a face points are uniform. The sign of an eigenfunction is arbitrary; we choose the one
    for which the integral of its cube is positive, so that the points lie at the higher peaks.

    Args:
        mesh: "bunny", scaled by 1/250, or "spot".
        eigenfunction: number of the eigenfunction in order of eigenvalues; the constant one is
            number 1, as in the papers, which use 10, 50 and 100.
        points: total number of points.
        upsample: number of times that every face is divided into four.
        seed: seed of the sample order.
        workers: number of data loading processes.
        split: convention for the sizes of train, val and test, see `split_sizes`.
        split_seed: seed of the random split.
        root: folder of the mesh; see data/README.md for the folders searched by default.

    Raises:
        DataError: the mesh is missing, damaged, not closed or inside out, or a number is out of
            range.
    """

    shape = (3,)

    def __init__(
        self,
        mesh: str = "bunny",
        eigenfunction: int = 50,
        points: int = 100_000,
        upsample: int = 3,
        seed: int = 0,
        workers: int = 0,
        split: str = "rfm",
        split_seed: int = 0,
        root: str | None = None,
    ) -> None:
        super().__init__(seed, workers, split, split_seed)
        if mesh not in MESHES:
            raise DataError(f"mesh must be one of {', '.join(MESHES)}, got {mesh!r}")
        if eigenfunction < 2 or points < 1 or upsample < 0:
            raise DataError(
                f"eigenfunction must be 2 or more, points 1 or more and upsample 0 or more, got "
                f"{eigenfunction}, {points} and {upsample}"
            )
        self.mesh, self.root = MESHES[mesh], root
        self.eigenfunction, self.count, self.upsample = eigenfunction, points, upsample
        self.name = f"{mesh}, eigenfunction {eigenfunction}"

    def prepare_data(self) -> None:
        """Download the mesh if it is missing."""
        self.mesh.source.fetch(self.root)

    def read(self) -> Float32[Tensor, "n 3"]:
        corners, probability = self._faces
        rng = np.random.default_rng(0)
        face = rng.choice(len(corners), self.count, p=probability)
        # Two sorted uniform numbers divide [0, 1] into uniform barycentric coordinates.
        low, high = np.sort(rng.random((self.count, 2)), axis=1).T
        weights = np.stack([low, high - low, 1 - high], axis=1)
        return torch.from_numpy(np.einsum("nc,ncd->nd", weights, corners[face])).float()

    @property
    def entropy(self) -> float:
        """Entropy with respect to area, nats: a lower bound for a model's expected NLL."""
        corners, probability = self._faces
        sides = corners[:, 1:] - corners[:, :1]
        area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
        some = probability > 0
        return -float(np.sum(probability[some] * np.log(probability[some] / area[some])))

    def drawing(
        self, data: Float[Tensor, "n 3"], samples: Float[Tensor, "m 3"]
    ) -> Float[Tensor, "3 h w"]:
        vertices, faces = self._coarse
        values = self._values[: len(vertices)][faces].mean(1).clip(0)
        given = (torch.from_numpy(array) for array in (vertices, faces, values))
        return surface(*given, data, samples, eye=self.mesh.eye)

    @cached_property
    def _coarse(self) -> tuple[Float64[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
        import igl

        path = self.mesh.source.locate(self.root)
        try:
            vertices, faces = igl.read_triangle_mesh(str(path))
        except RuntimeError as error:  # libigl prints the details to stderr only
            raise DataError(
                f"{path} should be an obj file of finite vertices and triangles, and cannot be "
                f"read as one: fetch the original file"
            ) from error
        if fault := _fault(vertices, faces):
            raise DataError(f"{path} {fault}: fetch the original file")
        return vertices * self.mesh.scale, faces.astype(np.int64)

    @cached_property
    def _fine(self) -> tuple[Float64[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
        import igl

        vertices, faces = self._coarse
        if self.upsample:  # the original vertices keep their indices
            vertices, faces = igl.upsample(vertices, faces, self.upsample)
        return vertices, faces.astype(np.int64)

    @cached_property
    def _faces(self) -> tuple[Float64[np.ndarray, "f 3 3"], Float64[np.ndarray, " f"]]:
        """Corners and probabilities of the faces of the refined mesh."""
        vertices, faces = self._fine
        weight = self._values[faces].mean(1).clip(0)
        return vertices[faces], weight / weight.sum()

    @cached_property
    def _values(self) -> Float64[np.ndarray, " v"]:
        """The eigenfunction at the vertices of the refined mesh; computed once and cached."""
        vertices, faces = self._fine
        key = content_key(vertices.tobytes(), faces.tobytes())
        return cached(
            cache_folder() / "eigenfunctions" / f"{key}-{self.eigenfunction}.npy",
            lambda part: np.save(part, _eigenfunction(vertices, faces, self.eigenfunction - 1)),
            np.load,
        )


def _fault(vertices: np.ndarray, faces: np.ndarray) -> str | None:
    """Describe what is wrong with a closed, outward oriented surface, or return None."""
    if faces.shape[1:] != (3,) or vertices.shape[1:] != (3,) or len(faces) == 0:
        return f"is no triangle mesh, with vertices {vertices.shape} and faces {faces.shape}"
    if not np.isfinite(vertices).all():
        return "has vertices that are NaN or infinite"
    if faces.min() < 0 or faces.max() >= len(vertices):
        return f"names vertices {faces.min()} to {faces.max()} of {len(vertices)}"
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    # Each edge belongs to two faces with opposite directions.
    directed, counts = np.unique(edges, axis=0, return_counts=True)
    if (counts > 1).any() or not np.array_equal(directed, np.unique(edges[:, ::-1], axis=0)):
        return "is no closed triangle mesh, or some of its faces are flipped"
    first, second, third = (vertices[faces[:, corner]] for corner in range(3))
    volume = np.sum(np.cross(first, second) * third) / 6
    if volume <= 0:
        return f"is inside out, its volume {volume:.3g} instead of {-volume:.3g}"
    return None


def _eigenfunction(
    vertices: Float64[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], number: int
) -> Float64[np.ndarray, " v"]:
    """Compute an eigenfunction of the cotangent Laplacian with lumped masses; 0 is constant."""
    import igl
    from scipy.sparse.linalg import eigsh

    stiffness = -igl.cotmatrix(vertices, faces)
    mass = igl.massmatrix(vertices, faces, igl.MASSMATRIX_TYPE_VORONOI)
    area = mass.diagonal().sum()
    # A fixed start vector makes the result reproducible. The negative shift makes the matrix to be
    # factorised positive definite; it is small compared with the first positive eigenvalue.
    start = np.random.default_rng(0).standard_normal(len(vertices))
    values, vectors = eigsh(stiffness, number + 1, mass, sigma=-1e-2 / area, v0=start)
    function = vectors[:, values.argsort()[number]] * np.sqrt(area)
    return function * np.sign(np.sum(mass.diagonal() * function**3))
