"""Drawings are images, and positions of what they show are checked by the colours of pixels."""

import math

import pytest
import torch

from data import drawing
from data.drawing import world_map
from data.points.charts import sphere_grid

BLUE, RED = torch.tensor([0x2F, 0x5D, 0x8A]) / 255, torch.tensor([0xC4, 0x47, 0x2B]) / 255
FAINT = torch.tensor([0xC8, 0xCE, 0xD6]) / 255
DARK = torch.tensor([0x66, 0x25, 0x06]) / 255  # the highest densities


def where(picture, color):
    """Find rows and columns of a colour's pixels, as fractions of height and width."""
    found = ((picture - color[:, None, None]).abs().amax(0) < 0.02).nonzero().double()
    assert len(found), "nothing of this colour"
    return found.mean(0) / torch.tensor(picture.shape[1:])


def place(latitude, longitude):
    a, b = math.radians(latitude), math.radians(longitude)
    return torch.tensor([[math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)]])


def test_maps_have_north_at_the_top_and_east_on_the_right():
    middle = where(world_map(place(0, 0)), BLUE)
    assert where(world_map(place(60, 0)), BLUE)[0] < middle[0] - 0.1
    assert where(world_map(place(0, 90)), BLUE)[1] > middle[1] + 0.1


def test_coastlines_pass_through_capes_and_not_through_oceans():
    lines = world_map(place(0, 0), coastlines=True) - world_map(place(0, 0))
    drawn = (lines.abs().amax(0) > 0.1).nonzero()

    def pixels_to_the_nearest(latitude, longitude):
        size = torch.tensor(lines.shape[1:])
        at = where(world_map(place(latitude, longitude)), BLUE) * size
        return (drawn - at).norm(dim=1).min()

    agulhas, comorin, saint_vincent = (-34.8, 20.0), (8.1, 77.5), (37.0, -9.0)
    assert all(pixels_to_the_nearest(*cape) < 4 for cape in (agulhas, comorin, saint_vincent))
    assert all(pixels_to_the_nearest(*sea) > 15 for sea in ((0, -140), (-40, 80), (30, -45)))


def test_samples_are_drawn_on_the_right():
    picture = world_map(place(0, 0), place(0, 0))
    assert where(picture, BLUE)[1] == pytest.approx(0.25, abs=0.03)
    assert where(picture, RED)[1] == pytest.approx(0.75, abs=0.03)
    assert picture.shape[2] == 2 * world_map(place(0, 0)).shape[2]


def density_panel(picture):
    """Crop the right two thirds, above the colour bar."""
    return picture[:, : picture.shape[1] * 4 // 5, picture.shape[2] // 3 :]


def test_a_density_is_drawn_at_its_position():
    north = torch.where(sphere_grid(30, 60)[..., 2] > 0.9, 1.0, -20.0)
    panel = density_panel(world_map(place(0, 0), place(0, 0), north))
    assert where(panel, DARK)[0] < 0.2


def test_the_colour_scale_does_not_depend_on_cells_of_zero_density():
    flat = torch.zeros(20, 40)
    flat[:10] = 3
    deep = flat.clone()
    deep[10:] = -math.inf
    deep[15:] = math.nan
    for density in (flat, deep):
        assert where(density_panel(world_map(place(0, 0), place(0, 0), density)), DARK)[0] > 0.5


def test_a_density_that_is_nan_everywhere_can_be_drawn():
    assert world_map(place(0, 0), place(0, 0), torch.full((20, 40), math.nan)).isfinite().all()


def test_the_grid_of_a_map_covers_the_sphere_evenly():
    grid = sphere_grid(40, 80)
    torch.testing.assert_close(grid.norm(dim=-1), torch.ones(40, 80))
    assert (grid[-1, :, 2] > 0.99).all()
    assert (grid[:, 0, 0] < 0).all()
    weight = (1 - grid[..., 2].square()).sqrt()
    torch.testing.assert_close(
        (weight * grid[..., 2].square()).sum() / weight.sum(),
        torch.tensor(1 / 3),
        atol=1e-3,
        rtol=0,
    )


def test_angles_are_drawn_in_degrees_from_minus_180_to_180():
    low = where(drawing.torus(torch.tensor([[-math.pi / 2, 0.0]])), BLUE)
    high = where(drawing.torus(torch.tensor([[math.pi / 2, 2 * math.pi]])), BLUE)
    assert high[1] > low[1] + 0.3
    assert high[0] == pytest.approx(low[0].item(), abs=0.01)


def test_the_origin_of_the_hyperboloid_is_the_centre_of_the_disk():
    x = torch.tensor([[1.0, 0.0, 0.0]])
    assert (where(drawing.poincare_disk(x), BLUE) - 0.5).abs().max() < 0.06


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


CUBE = torch.tensor([[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)])
DRAWN = {
    "map": (world_map, lambda n: torch.nn.functional.normalize(random(n, 3), dim=1)),
    "circle": (drawing.torus, lambda n: random(n, 1)),
    "torus": (drawing.torus, lambda n: random(n, 2)),
    "many angles": (drawing.torus, lambda n: random(n, 12)),
    "rotations": (drawing.rotations, lambda n: torch.linalg.qr(random(n, 3, 3)).Q),
    "plane": (drawing.principal_plane, lambda n: random(n, 20)),
    "histogram": (drawing.histogram, lambda n: random(n)),
}


@pytest.mark.parametrize("name", list(DRAWN))
def test_each_drawing_is_an_image_that_shows_the_samples(name):
    draw, points = DRAWN[name]
    alone, both = draw(points(40)), draw(points(40), points(25))
    for picture in (alone, both):
        assert (picture.shape[0], picture.ndim) == (3, 3)
        assert 0 <= picture.min() < picture.max() <= 1
    assert alone.shape != both.shape or not torch.equal(alone, both)


@pytest.mark.parametrize("name", list(DRAWN))
def test_samples_that_are_nan_are_left_out(name):
    draw, points = DRAWN[name]
    some = points(25)
    some[:5] = math.nan
    for samples in (some, torch.full_like(some, math.nan)):
        picture = draw(points(40), samples)
        assert picture.isfinite().all()
        assert picture.min() < 0.5


def test_only_points_on_the_visible_side_of_a_surface_are_drawn():
    vertices = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    faces = [(a, b, c) for a in (0, 1) for b in (2, 3) for c in (4, 5)]
    faces = torch.tensor([f if (f[0] + f[1] + f[2]) % 2 == 0 else f[::-1] for f in faces])
    near, far = torch.full((1, 3), 1 / 3), torch.full((1, 3), -1 / 3)
    picture = drawing.surface(vertices, faces, torch.ones(8), near, far)
    assert where(picture, BLUE)[1] > 0.25
    with pytest.raises(AssertionError, match="nothing of this colour"):
        where(picture, RED)


def test_points_behind_a_face_are_not_drawn():
    square = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    near, far = (torch.cat([square, torch.full((4, 1), z)], 1) for z in (1.0, 0.0))
    far = far + torch.tensor([0.5, 0, 0])  # half of the face is visible
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    hidden, seen = torch.tensor([[0.8, 0.5, 0]]), torch.tensor([[1.2, 0.5, 0]])
    given = torch.cat([near, far]), faces, torch.ones(4)
    assert where(drawing.surface(*given, seen), BLUE)[1] > 0.5
    with pytest.raises(AssertionError, match="nothing of this colour"):
        where(drawing.surface(*given, hidden), BLUE)


def test_data_are_drawn_at_the_same_position_in_both_panels():
    data = torch.tensor([[0.0, 0], [1, 0], [0, 2]])
    stray = torch.tensor([[9.0, -7], [math.nan, 0], [math.inf, 1]])
    left, right = drawing.principal_plane(data, stray).chunk(2, dim=2)
    torch.testing.assert_close(where(left, BLUE), where(right, FAINT), atol=0.01, rtol=0)


def test_a_histogram_shows_samples_outside_the_range_of_the_data():
    picture = drawing.histogram(torch.linspace(8, 9, 50), torch.linspace(0, 1, 50))
    _, height, width = picture.shape
    where(picture[:, : height // 2, : width // 3], RED)  # bars, not the legend, nor bars of zero


def triangle(picture):
    """Crop the colour bar."""
    return picture[:, : picture.shape[1] * 3 // 4]


def test_a_mode_of_two_of_many_angles_is_drawn_at_its_position():
    def mode(*degrees):
        angles = torch.deg2rad(torch.tensor([degrees])).expand(50, 3)
        return where(triangle(drawing.torus(angles)), DARK)

    low = mode(-75.0, 5, -75)
    torch.testing.assert_close(mode(285.0, 365, -435), low)  # angles differ by whole turns
    right, above = mode(75.0, 5, -75), mode(-75.0, 5, 75)
    assert right[1] > low[1] + 0.05
    assert right[0] == pytest.approx(low[0].item(), abs=0.01)
    assert above[0] < low[0] - 0.05
    assert above[1] == pytest.approx(low[1].item(), abs=0.01)


def test_pairs_of_data_and_samples_share_one_colour_scale():
    peak = torch.zeros(900, 3)
    spread = torch.cat([peak[:450], torch.rand(450, 3, generator=torch.Generator().manual_seed(0))])
    left, right = triangle(drawing.torus(peak, peak)).chunk(2, dim=2)
    assert where(left, DARK)[0] == pytest.approx(where(right, DARK)[0].item(), abs=0.02)
    right = triangle(drawing.torus(peak, 6 * spread)).chunk(2, dim=2)[1]
    with pytest.raises(AssertionError, match="nothing of this colour"):
        where(right, DARK)  # half as high as the data's peak


def test_pyplot_is_not_imported(monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    world_map(place(0, 0))
    assert "matplotlib.pyplot" not in sys.modules
