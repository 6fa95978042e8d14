"""Reading tables of numbers from text files; errors name the faulty line."""

import math
from collections.abc import Sequence
from pathlib import Path

from data.files.errors import DataError

__all__ = ["check_degrees", "number_cells", "read_lines"]

MANY = 20  # with this many rows, angles in degrees surely include one beyond 2 pi


def read_lines(path: Path, header: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Lines of a text file after its header, each as `(path:number, line)`.

    Unix and Windows line ends are accepted.

    Args:
        path: of the file.
        header: the expected first lines; "#" stands for any line that begins with it.

    Raises:
        DataError: the file is not text, or has another header.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file ({error}): fetch it again") from error
    found = ["#" if line.startswith("#") else line for line in lines]
    if found[: len(header)] != list(header) or found[len(header) :][:1] == ["#"]:
        raise DataError(
            f"{path} should begin with {len(header)} header lines, {list(header)}, and then "
            f"numbers; it begins with {lines[: len(header) + 1]}: fetch the original file"
        )
    numbered = enumerate(lines[len(header) :], start=len(header) + 1)
    return [(f"{path}:{number}", line) for number, line in numbered]


def number_cells(place: str, cells: Sequence[str], expected: str, largest: float) -> list[float]:
    """Parse cells as finite numbers of magnitude at most `largest`.

    Raises:
        DataError: a cell is something else; the message names the place.
    """
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        values = [math.nan]
    if not all(abs(value) <= largest for value in values):  # false for NaN
        raise DataError(
            f"{place} should hold {expected} of at most {largest:g} degrees in size, got "
            f"{list(cells)}: mend or remove the line"
        )
    return values


def check_degrees(path: Path, rows: Sequence[Sequence[float]]) -> None:
    """Refuse angles that seem to be in radians, if there are enough rows to tell.

    Raises:
        DataError: no magnitude in at least 20 rows exceeds 2 pi.
    """
    largest = max((abs(value) for row in rows for value in row), default=0.0)
    if len(rows) >= MANY and largest <= 2 * math.pi:
        raise DataError(
            f"{path} should hold degrees, and none of its {len(rows)} rows has a number beyond "
            f"{largest:.4g}: they look like radians; convert them (numpy.rad2deg)"
        )
