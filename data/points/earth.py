"""Locations of volcanic eruptions, earthquakes, floods and fires on Earth."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from data.drawing import world_map
from data.files.errors import DataError
from data.files.sources import Source
from data.files.tables import check_degrees, number_cells, read_lines
from data.points.base import SplitPoints
from data.points.charts import Chart, sphere_chart

__all__ = ["Earth", "from_degrees"]

URL = (
    "https://raw.githubusercontent.com/oxcsml/riemannian-score-sde/"
    "5b48a7f7e175894afb6933f5e5f367b5a0eb65d7/data/"
)


@dataclass(frozen=True)
class _Event:
    file: str
    header: tuple[str, ...]
    rows: int
    sha256: str

    @property
    def source(self) -> Source:
        return Source(f"riemannian/{self.file}", self.sha256, URL + self.file)


EVENTS = {
    "volcano": _Event(
        "volerup.csv",
        ("#", "Latitude,Longitude"),
        827,
        "f7bbaf32a412f5fe82350f48e0c55100be260803969c16557343f687fd0593fc",
    ),
    "earthquake": _Event(
        "quakes_all.csv",
        ("#", "#", "#", "LATITUDE,LONGITUDE"),
        6120,
        "3e5e1a10fb2faf1899106264289334037d039f00f5265d13dad388a93d8ff2f7",
    ),
    "flood": _Event(
        "flood.csv",
        ("#", "lat,long"),
        4875,
        "ffb1e3182c3053afcdeceec4727c262a29da10255d20747c08144da5b0963486",
    ),
    "fire": _Event(
        "fire.csv",
        ("#",),  # without column names: skipping two header lines would lose a fire
        12809,
        "c5c6c9490b1d8c58ba9eb78d9e2f82d1c1e62694ca5cff917c54600d3d83f459",
    ),
}


earth_map = partial(world_map, coastlines=True)


class Earth(SplitPoints):
    """Locations of events on the unit sphere (Mathieu and Nickel, 2020; the files are RSGM's).

    827 volcanic eruptions and 6,120 earthquakes (NOAA), 4,875 floods (Dartmouth Flood Observatory),
    12,809 fires (NASA FIRMS). The eruptions have only 267 distinct locations, and four of five test
    points equal a training point: their likelihood measures how peaked a model is, not its fit.

    Args:
        event: "volcano", "earthquake", "flood" or "fire".
        seed: seed of the sample order.
        workers: number of data loading processes.
        split: convention for the sizes of train, val and test, see `split_sizes`; RSGM's 80/10/10.
        split_seed: seed of the random split; papers report the mean over five.
        root: folder of the file; see data/README.md for the folders searched by default.

    Raises:
        DataError: the file is missing, has another header or number of rows, or a line that is not
            a latitude and a longitude in degrees.
    """

    shape = (3,)

    def __init__(
        self,
        event: str,
        seed: int = 0,
        workers: int = 0,
        split: str = "rsgm",
        split_seed: int = 0,
        root: str | None = None,
    ) -> None:
        super().__init__(seed, workers, split, split_seed)
        if event not in EVENTS:
            raise DataError(f"event must be one of {', '.join(EVENTS)}, got {event!r}")
        self.name, self.event, self.root = event, EVENTS[event], root

    def prepare_data(self) -> None:
        """Download the file if it is missing."""
        self.event.source.fetch(self.root)

    def read(self) -> Float32[Tensor, "n 3"]:
        path = self.event.source.locate(self.root)
        rows = []
        for place, line in read_lines(path, self.event.header):
            values = number_cells(place, line.split(","), "latitude,longitude", largest=180)
            if len(values) != 2 or abs(values[0]) > 90:
                raise DataError(
                    f"{place} should hold latitude,longitude with a latitude of at most 90 degrees "
                    f"in size, got {line!r}: mend or remove the line"
                )
            rows.append(values)
        if len(rows) != self.event.rows:
            raise DataError(
                f"{path} should hold {self.event.rows} events, got {len(rows)}: fetch it again"
            )
        check_degrees(path, rows)
        return torch.from_numpy(from_degrees(np.array(rows)).astype(np.float32))

    def drawing(
        self, data: Float[Tensor, "n 3"], samples: Float[Tensor, "m 3"]
    ) -> Float[Tensor, "3 h w"]:
        return earth_map(data, samples)

    def chart(self) -> Chart:
        return sphere_chart(earth_map)


def from_degrees(places: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 3"]:
    """Convert latitudes and longitudes in degrees to points on the unit sphere.

    Axes are geographic: x points to (0, 0), y to 90 degrees east, z to the north pole. RSGM's code
    gives the antipodes, which differ by an isometry.

    Example:
        >>> from_degrees(np.array([[0.0, 90.0], [-90.0, 12.0]])).round(6).tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]
    """
    latitude, longitude = np.deg2rad(places).T
    level = np.cos(latitude)
    xyz = (level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude))
    return np.stack(xyz, axis=-1)
