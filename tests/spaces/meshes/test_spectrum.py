"""Spectra of the sphere and the square against closed forms, and the cache of spectra."""

import math

import numpy as np
import pytest

pytest.importorskip("igl")

from ldm.spaces.meshes import spectrum as module
from ldm.spaces.meshes.spectrum import digest, spectrum
from ldm.spaces.meshes.triangles import read_triangles


def test_eigenvalues_of_the_sphere_are_l_times_l_plus_1_with_multiplicity_2_l_plus_1(icosphere):
    values, functions = spectrum(*read_triangles(icosphere), 24)
    expected = np.repeat([2.0, 6.0, 12.0, 20.0], [3, 5, 7, 9])
    np.testing.assert_allclose(values, expected, rtol=1e-2)
    # Addition theorem: the sum of squares over one l is (2 l + 1) / (4 pi) everywhere.
    squares = np.square(functions[:, 3:8]).sum(1)
    np.testing.assert_allclose(squares, 5 / (4 * math.pi), rtol=5e-3)


def test_eigenfunctions_of_the_square_are_products_of_cosines(square):
    vertices, faces = read_triangles(square)
    values, _ = spectrum(vertices, faces, 5)
    np.testing.assert_allclose(values / math.pi**2, [1, 1, 2, 4, 4], rtol=2e-2)


def test_eigenfunctions_are_orthonormal_and_exclude_the_constant(square):
    import igl

    vertices, faces = read_triangles(square)
    _, functions = spectrum(vertices, faces, 10)
    mass = igl.massmatrix(vertices, faces, igl.MASSMATRIX_TYPE_VORONOI)
    np.testing.assert_allclose(functions.T @ (mass @ functions), np.eye(10), atol=1e-10)
    np.testing.assert_allclose(mass.diagonal() @ functions, 0, atol=1e-10)


def test_a_second_call_reads_the_cache(square, tmp_path, monkeypatch):
    monkeypatch.setenv("LDM_CACHE", str(tmp_path))
    mesh = read_triangles(square)
    first = spectrum(*mesh, 6)
    monkeypatch.setattr(module, "_solve", None)
    np.testing.assert_array_equal(spectrum(*mesh, 6).functions, first.functions)
    with pytest.raises(TypeError):
        spectrum(2 * mesh[0], mesh[1], 6)  # another geometry, so not in the cache


def test_different_geometries_have_different_digests(square):
    vertices, faces = read_triangles(square)
    assert digest(vertices, faces) == digest(vertices.copy(), faces.copy())
    assert len({digest(v, f) for v in (vertices, 2 * vertices) for f in (faces, faces[1:])}) == 4


@pytest.mark.parametrize("count", [0, 440])
def test_more_eigenfunctions_than_the_mesh_has_are_refused(count, square):
    with pytest.raises(ValueError, match=f"1 to 439 eigenfunctions to offer, got {count}"):
        spectrum(*read_triangles(square), count)
