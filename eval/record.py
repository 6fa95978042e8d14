"""Numbers, each with the record of how it was obtained."""

import json
from typing import Any

from torch import Tensor

from data.files.whole import write_whole
from ldm.run.folder import Run

__all__ = ["Scores"]


class Scores:
    """Numbers by name, and the protocol of each.

    Args:
        **protocol: what is common to all numbers.
    """

    def __init__(self, **protocol: Any) -> None:
        self.values: dict[str, float] = {}
        self.protocols: dict[str, dict[str, Any]] = {}
        self.protocol = protocol

    def add(self, values: dict[str, Tensor], **protocol: Any) -> None:
        """Numbers that share one protocol."""
        for name, value in values.items():
            self.values[name] = float(value)
            self.protocols[name] = {**self.protocol, **protocol}

    def save(self, run: Run) -> None:
        """Write `metrics.json`: the numbers, and under `protocol` the record of each."""
        text = json.dumps({**self.values, "protocol": self.protocols}, indent=2)
        write_whole(run.metrics, lambda temporary: temporary.write_text(text + "\n"))
