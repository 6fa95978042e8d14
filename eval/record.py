"""Scores, each with the protocol by which it was obtained."""

import json
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

from jaxtyping import Float
from torch import Tensor

from data.files.whole import write_whole
from data.images.grid import save_picture

__all__ = ["Record"]

Made = TypeVar("Made")


class Record:
    """The scores of one evaluation by name, the protocol of each, and results that scorers share.

    Args:
        folder: of `metrics.json` and of the pictures; None to write no files.
        **protocol: entries common to all scores.

    Example: a shared result is computed once.
        >>> record = Record(data="digits")
        >>> record.once("samples", lambda: [1, 2]) is record.once("samples", lambda: [1, 2])
        True
    """

    def __init__(self, folder: Path | None = None, /, **protocol: Any) -> None:
        self.folder = folder
        self.files: list[Path] = []
        self.values: dict[str, float] = {}
        self.protocols: dict[str, dict[str, Any]] = {}
        self.protocol = protocol
        self._made: dict[Hashable, Any] = {}

    @property
    def pictures(self) -> list[Path]:
        """Pictures and clips that loggers are passed."""
        return [path for path in self.files if path.suffix in (".png", ".gif")]

    def add(self, values: dict[str, Tensor], **protocol: Any) -> None:
        """Add scores that share one protocol."""
        for name, value in values.items():
            self.values[name] = float(value)
            self.protocols[name] = {**self.protocol, **protocol}

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return the result of `make`, which is called only the first time for each key.

        Args:
            key: a name, and everything that the result depends on except the scored parts.
            make: called on all ranks or on none, since scorers run in the same order on all ranks.
        """
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def has(self, key: Hashable) -> bool:
        """Return True if the result under a key has been made, which ranks agree on."""
        return key in self._made

    def show(self, name: str, picture: Float[Tensor, "*frames 3 h w"]) -> None:
        """Write a picture in [0, 1] as `<name>.png`, a clip as GIF and MP4; called on one rank."""
        if self.folder is not None:
            self.files += save_picture(self.folder / f"{name}.png", picture)

    def save(self) -> None:
        """Write `metrics.json`: the scores, and under `protocol` the protocol of each."""
        if self.folder is not None:
            text = json.dumps({**self.values, "protocol": self.protocols}, indent=2)
            path = self.folder / "metrics.json"
            write_whole(path, lambda temporary: temporary.write_text(text + "\n"))
            self.files.append(path)
