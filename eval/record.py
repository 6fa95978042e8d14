"""Numbers, each with the record of how it was obtained."""

import json
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from torch import Tensor

from data.files.whole import write_whole
from ldm.run.folder import Run

__all__ = ["Record"]

Made = TypeVar("Made")


class Record:
    """Numbers of one evaluation by name, the protocol of each, and work that scorers share.

    Args:
        **protocol: what is common to all numbers.

    Example: whoever asks first makes it, and all others get the same.
        >>> record = Record(data="digits")
        >>> record.once("samples", lambda: [1, 2]) is record.once("samples", lambda: [1, 2])
        True
    """

    def __init__(self, **protocol: Any) -> None:
        self.values: dict[str, float] = {}
        self.protocols: dict[str, dict[str, Any]] = {}
        self.protocol = protocol
        self._made: dict[Hashable, Any] = {}

    def add(self, values: dict[str, Tensor], **protocol: Any) -> None:
        """Add numbers that share one protocol."""
        for name, value in values.items():
            self.values[name] = float(value)
            self.protocols[name] = {**self.protocol, **protocol}

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return what `make` made when this key was first asked for.

        Args:
            key: a name, and all that the result depends on beside the parts that are scored.
            make: called on all ranks or on none, since scorers run on all of them in one order.
        """
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def save(self, run: Run) -> None:
        """Write `metrics.json`: the numbers, and under `protocol` the record of each."""
        text = json.dumps({**self.values, "protocol": self.protocols}, indent=2)
        write_whole(run.metrics, lambda temporary: temporary.write_text(text + "\n"))
