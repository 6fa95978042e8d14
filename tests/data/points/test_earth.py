"""Locations on Earth: the four published files, and damaged files."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data import DataError, Earth
from data.points.earth import EVENTS, from_degrees

HEADERS = {
    "volcano": "# https://x\nLatitude,Longitude\n",
    "earthquake": "# a\r\n# b\r\n# c\r\nLATITUDE,LONGITUDE\r\n",
    "flood": "# a\r\nlat,long\r\n",
    "fire": "# a\n",
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file of an event with two rows, and expect two rows."""

    def write(event: str, text: str | None = None, rows: str = "10,20\n-90,180.0") -> Earth:
        kind = EVENTS[event]
        monkeypatch.setitem(EVENTS, event, replace(kind, rows=2))
        header = HEADERS[event] if text is None else text
        rows = rows.replace("\n", "\r\n") if "\r" in header else rows
        (tmp_path / kind.file).write_bytes((header + rows).encode())
        return Earth(event, root=str(tmp_path), split="huang")

    return write


@pytest.mark.parametrize("event", list(EVENTS))
def test_exactly_the_header_lines_are_skipped(write, event):
    points = write(event).read()
    expected = from_degrees(np.array([[10.0, 20.0], [-90.0, 180.0]]))
    torch.testing.assert_close(points, torch.from_numpy(expected).float())
    assert points.dtype == torch.float32


@pytest.mark.parametrize("event", list(EVENTS))
def test_a_wrong_header_is_refused(write, event):
    for text in ("", "lat;lon\n", "# a\n# b\n"):
        with pytest.raises(DataError, match="header lines"):
            write(event, text).read()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("10,20\nnan,3", r"fire\.csv:3 should hold latitude,longitude"),
        ("10,20\n1,inf", r"fire\.csv:3 .* got \['1', 'inf'\]"),
        ("here,20\n1,2", r"fire\.csv:2 "),
        ("1,2,3\n1,2", r"fire\.csv:2 .* got '1,2,3'"),
        ("20\n1,2", r"fire\.csv:2 "),
        ("1,2\n\n", r"fire\.csv:3 "),
        ("10,20\n90.5,3", r"fire\.csv:3 .*at most 90 degrees"),
        ("1,2", "should hold 2 events, got 1"),
    ],
)
def test_an_invalid_line_is_refused_with_its_number(write, rows, message):
    with pytest.raises(DataError, match=message):
        write("fire", rows=rows).read()


def test_locations_in_radians_are_refused(tmp_path, monkeypatch):
    kind = EVENTS["fire"]
    monkeypatch.setitem(EVENTS, "fire", replace(kind, rows=20))
    places = np.random.default_rng(0).uniform([-90, -180], [90, 180], (20, 2))
    for rows, refused in [(places, False), (np.deg2rad(places), True)]:
        text = "# a\n" + "\n".join(f"{a},{b}" for a, b in rows)
        (tmp_path / kind.file).write_text(text)
        data = Earth("fire", root=str(tmp_path), split="huang")
        if refused:
            with pytest.raises(DataError, match=r"fire\.csv should hold degrees.*like radians"):
                data.setup()
        else:
            data.setup()


def test_the_error_for_a_missing_file_lists_the_searched_folders(tmp_path):
    with pytest.raises(DataError, match=r"flood\.csv is at none of .*prepare_data"):
        Earth("flood", root=str(tmp_path)).setup()
    with pytest.raises(DataError, match="volcano, earthquake, flood, fire, got 'storm'"):
        Earth("storm")


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_points_lie_on_the_sphere_at_their_latitude_and_longitude(latitude, longitude):
    x, y, z = from_degrees(np.array([[latitude, longitude]]))[0]
    assert x * x + y * y + z * z == pytest.approx(1)
    assert np.rad2deg(np.arcsin(z)) == pytest.approx(latitude, abs=1e-5)
    turned = np.deg2rad(longitude)
    assert x * np.sin(turned) - y * np.cos(turned) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("event", "sizes", "distinct"),
    [
        ("volcano", (661, 82, 84), 267),
        ("earthquake", (4896, 612, 612), 6120 - 673),
        ("flood", (3900, 487, 488), 4875 - 14),
        ("fire", (10247, 1280, 1282), 12809 - 7),
    ],
)
def test_the_published_files_have_their_known_sizes(shared_data, event, sizes, distinct):
    data = Earth(event, root=str(shared_data))
    data.setup()
    assert data.test_dataset.points.norm(dim=1) == pytest.approx(1, abs=1e-6)
    parts = (data.train_dataset, data.val_dataset, data.test_dataset)
    assert tuple(map(len, parts)) == sizes
    # Duplicates are kept: so many rows are distinct, also in float32.
    assert len(torch.cat([part.points for part in parts]).unique(dim=0)) == distinct
