"""Curves of a stage's metrics.csv, as one SVG drawing."""

import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from ldm.training.records import sound_rows

__all__ = ["draw_curves"]

COLUMNS = 3


def draw_curves(path: Path) -> bytes | None:
    """Draw each column of a metrics.csv against the samples seen; None without numbers.

    Args:
        path: of the file; it is read as far as it is sound.
    """
    rows = sound_rows(path)
    names = tuple(name for name in (rows[0] if rows else {}) if name != "samples")
    return _draw(names, tuple(tuple(row.items()) for row in rows)) if names else None


@lru_cache(maxsize=16)  # a page is written again after each evaluation, and drawing takes longest
def _draw(names: tuple[str, ...], items: tuple[tuple[tuple[str, str], ...], ...]) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows: list[Mapping[str, str]] = [dict(row) for row in items]
    lines = -(-len(names) // COLUMNS)
    height = 2.2 * lines
    figure = Figure(figsize=(10, height))
    # Margins in inches: a layout engine, which would find them, takes as long as the drawing.
    below, above = 0.55 / height, 1 - 0.3 / height
    figure.subplots_adjust(0.065, below, 0.985, above, wspace=0.25, hspace=0.4)
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(lines, COLUMNS, place)
        points = [(int(row["samples"]), float(row[name])) for row in rows if row[name]]
        axes.plot(*zip(*points, strict=True), linewidth=1, marker="." if len(points) < 20 else "")
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("samples seen", fontsize=8)
    drawing = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "report"}):  # the same each time
        figure.savefig(drawing, format="svg", metadata={"Date": None})
    return drawing.getvalue()
