"""Triangle meshes that are not surfaces are refused with the reason."""

import numpy as np
import pytest

pytest.importorskip("igl")

from ldm.spaces.meshes.triangles import check_triangles, read_triangles

CORNERS = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
TETRAHEDRON = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]


def check(vertices, faces, boundary: bool = False) -> None:
    check_triangles(np.array(vertices, float), np.array(faces), boundary)


def test_a_tetrahedron_is_accepted_and_read_back_from_its_file(write_mesh):
    check(CORNERS, TETRAHEDRON)
    vertices, faces = read_triangles(write_mesh(CORNERS, TETRAHEDRON))
    assert (vertices.tolist(), faces.tolist()) == (CORNERS, TETRAHEDRON)


def test_files_are_searched_for_under_ldm_data(write_mesh, monkeypatch):
    file = write_mesh(CORNERS, TETRAHEDRON)
    monkeypatch.setenv("LDM_DATA", str(file.parent))
    assert len(read_triangles("mesh.obj")[1]) == 4
    with pytest.raises(ValueError, match=f"no mesh other.obj, nor {file.parent}/other.obj"):
        read_triangles("other.obj")


@pytest.mark.parametrize("text", ["no mesh", "v 1 2\n", "v 1 2 3\n", ""])
def test_files_without_triangles_are_refused(text, tmp_path):
    file = tmp_path / "bad.obj"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"bad\.obj"):
        read_triangles(file)


def test_a_hole_is_refused_unless_boundaries_are_allowed():
    with pytest.raises(ValueError, match=r"edges \[0, 2\], \[0, 3\], \[2, 3\] .* boundary=True"):
        check(CORNERS, TETRAHEDRON[:-1])
    check(CORNERS, TETRAHEDRON[:-1], boundary=True)


def test_a_flipped_face_is_named():
    with pytest.raises(ValueError, match=r"faces 2 are flipped"):
        check(
            CORNERS, [[a, c, b] if i == 2 else [a, b, c] for i, (a, b, c) in enumerate(TETRAHEDRON)]
        )


def test_an_edge_shared_by_three_faces_is_refused():
    with pytest.raises(ValueError, match=r"edges \[0, 1\] are not manifold"):
        check([*CORNERS, [1, 1, -1]], [*TETRAHEDRON, [0, 1, 4]], boundary=True)


@pytest.mark.parametrize("face", [[0, 1, 4], [0, 1, 1]], ids=["collinear", "repeated"])
def test_a_degenerate_face_is_refused(face):
    with pytest.raises(ValueError, match="faces 4 are degenerate"):
        check([*CORNERS, [2, 0, 0]], [*TETRAHEDRON, face, [2, 3, 4]])


def test_nan_and_unused_vertices_are_refused():
    with pytest.raises(ValueError, match="vertices 3 are NaN"):
        check([*CORNERS[:3], [0, np.nan, 0]], TETRAHEDRON)
    with pytest.raises(ValueError, match="vertices 4, 5 belong to no face"):
        check([*CORNERS, [1, 1, 1], [2, 2, 2]], TETRAHEDRON)
    with pytest.raises(ValueError, match="faces name vertices 0 to 3 of 3"):
        check(CORNERS[:3], TETRAHEDRON)


def test_disconnected_pieces_and_pieces_touching_in_a_vertex_are_refused():
    other = (np.array(CORNERS) + 2).tolist()
    second = np.array(TETRAHEDRON) + 4
    with pytest.raises(ValueError, match="falls into 2 pieces"):
        check(CORNERS + other, np.concatenate([TETRAHEDRON, second]))
    touching = np.where(second == 4, 0, second - 1)
    with pytest.raises(ValueError, match="vertices 0 are not manifold"):
        check(CORNERS + other[1:], np.concatenate([TETRAHEDRON, touching]))


def test_long_lists_of_faults_are_truncated():
    with pytest.raises(ValueError, match=r"vertices 4, 5, 6, 7, 8 and 15 more belong"):
        check(CORNERS + [[9, 9, 9]] * 20, TETRAHEDRON)
