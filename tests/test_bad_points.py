"""Mistakes in runs on manifolds, as a user meets them: one message, and exit code 2."""

import math
from dataclasses import replace

import pytest

import train
from data import VonMisesFisher, WrappedTorus
from data.points.earth import EVENTS

ON_SPHERE = ["data=vmf", "tokenizer=points/sphere"]
ON_TORUS = ["data=wrapped_torus", "tokenizer=points/torus"]
FLOW = ["prior=rfm", "sampler=flow_euler"]
SCORE = ["prior=rsgm", "sampler=geodesic_walk"]
SMALL = ["eval=points", "stages=[prior]", "data.size=20"]
SELECTION = (
    "{_target_: ldm.training.Selection, every: 9, likelihood: {_target_: ldm.samplers.Likelihood}}"
)


@pytest.fixture
def refused(refused, tmp_path):
    """`refused(*arguments)`: the one message that train.py leaves, before any stage."""
    return lambda *arguments: refused(train.main, *arguments, f"run={tmp_path}/run")


@pytest.fixture
def tetrahedron(tmp_path):
    """`tetrahedron(faces)`: a file of its corners and these faces."""

    def write(faces) -> str:
        corners = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
        lines = [f"v {x} {y} {z}" for x, y, z in corners]
        lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in faces]
        (tmp_path / "mesh.obj").write_text("\n".join(lines))
        return f"tokenizer.space.path={tmp_path}/mesh.obj"

    return write


def test_points_off_their_sphere_are_refused(refused, monkeypatch):
    transform = VonMisesFisher.transform
    monkeypatch.setattr(VonMisesFisher, "transform", lambda self, u: 2 * transform(self, u))
    message = refused(*ON_SPHERE, *FLOW, *SMALL)
    assert "vMF does not live in Sphere(2): points are off Sphere(2) by up to 1" in message


def test_degrees_are_refused_where_radians_belong(refused, monkeypatch):
    transform = WrappedTorus.transform
    monkeypatch.setattr(
        WrappedTorus, "transform", lambda self, u: transform(self, u) * 180 / math.pi
    )
    message = refused(*ON_TORUS, *FLOW, *SMALL)
    assert "must be radians within a turn of zero" in message
    assert "they look like degrees" in message


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_points_that_are_nan_are_refused_in_every_split(refused, monkeypatch, split):
    load = VonMisesFisher.load

    def broken(self, name):
        dataset = load(self, name)
        if name == split:
            dataset.points[7, 1] = math.nan
        return dataset

    monkeypatch.setattr(VonMisesFisher, "load", broken)
    message = refused(*ON_SPHERE, *FLOW, *SMALL)
    assert "vMF does not live in Sphere(2): points of Sphere(2) must be finite, got NaN" in message


def test_the_line_with_nan_is_named(refused, monkeypatch, tmp_path):
    monkeypatch.setitem(EVENTS, "fire", replace(EVENTS["fire"], rows=2))
    (tmp_path / "fire.csv").write_text("# longitude and latitude\n10,20\nnan,30\n")
    message = refused("experiment=ours/fire", f"data.root={tmp_path}")
    assert f"{tmp_path}/fire.csv:3 should hold latitude,longitude" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [*ON_SPHERE, *FLOW, "tokenizer.space.dim=3"],
            "latent space Sphere(3): it makes latents (3,) and reconstructions (3,); change "
            "tokenizer.space",
        ),
        (
            [*ON_SPHERE, *SCORE, "+prior.backbone.shape=[4]"],
            "latent space Sphere(2): built for points of shape (4,), found (3,); leave out what "
            "the network is told of it, or set its shape to (3,)",
        ),
        (
            [*ON_SPHERE, *FLOW, "+prior.backbone.shape=[4]"],
            "the prior does not fit the latent space Sphere(2)",
        ),
        (
            [*ON_SPHERE, *FLOW, "prior.objective._target_=ldm.objectives.ImplicitScoreMatching"],
            "prior: GeodesicFlow asks for a Velocity, but ImplicitScoreMatching teaches a Score: "
            "choose an objective for that process",
        ),
        (
            [*ON_SPHERE, *SCORE, "sampler=ddim"],
            "the sampler does not fit the prior",
        ),
        (
            [*ON_SPHERE, *SCORE, "prior.process.first=0"],
            "prior.process: the earliest time must be between 0 and 1, got 0",
        ),
    ],
)
def test_parts_that_do_not_fit_are_named(refused, arguments, message):
    assert message in refused(*arguments, *SMALL)


WHOLE = [(0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)]


@pytest.mark.parametrize(
    ("faces", "message"),
    [
        (WHOLE[:-1], "edges [0, 2], [0, 3], [2, 3] have a face on one side only: fill the holes"),
        ([*WHOLE[:2], (1, 3, 2), WHOLE[3]], "faces 2 are flipped against their neighbours"),
        (WHOLE, "is not known in closed form: noise by a random walk"),
    ],
)
def test_meshes_that_are_no_surface_or_have_no_exact_noise_are_refused(
    refused, tetrahedron, faces, message
):
    pytest.importorskip("igl")
    place = [tetrahedron(faces), "tokenizer.space.eigenfunctions=2"]
    assert message in refused("data=vmf", "tokenizer=points/mesh", *SCORE, *SMALL, *place)


def test_images_are_not_scored_as_points(refused):
    message = refused("experiment=demo/digits", "eval=points")
    assert "digits holds no points of a manifold: choose another eval=" in message


def test_nothing_is_selected_without_a_val_split(refused):
    message = refused("experiment=demo/digits", f"+prior.training.selection={SELECTION}")
    assert "selection looks at a val split, and digits has none: set it to null" in message
