"""Tables of numbers in text files; errors name the line."""

import math
from collections.abc import Sequence
from pathlib import Path

from data.files.errors import DataError

__all__ = ["check_degrees", "number_cells", "read_lines"]

MANY = 20  # rows in degrees, among which some number surely exceeds 2 pi


def read_lines(path: Path, header: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Read the lines of a text file after its header, each with its place, `path:number`.

    Unix and Windows line ends are both read.

    Args:
        path: of the file.
        header: expected first lines; "#" stands for any line that begins with it.

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
    """Parse cells as finite numbers of at most this absolute value.

    Args:
        place: `path:number` of the line, for the message.
        cells: texts of the numbers.
        expected: what the numbers are, for the message.
        largest: bound on the absolute value, degrees.

    Raises:
        DataError: a cell is not such a number.
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
    """Refuse a table in radians, if it has enough rows to tell.

    Raises:
        DataError: no number in a table of 20 rows or more exceeds 2 pi.
    """
    largest = max((abs(value) for row in rows for value in row), default=0.0)
    if len(rows) >= MANY and largest <= 2 * math.pi:
        raise DataError(
            f"{path} should hold degrees, and none of its {len(rows)} rows has a number beyond "
            f"{largest:.4g}: they look like radians; convert them (numpy.rad2deg)"
        )
