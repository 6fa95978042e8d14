"""Unpickling without running anything that the file names.

A pickle is a program that may call any function. Here every name in it is looked up in a short list
of stand-ins, which hold data and do nothing.
"""

import pickle
from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = ["Inert", "Reader"]


class Inert:
    """A stand-in for any object: keeps the state that a pickle gives it.

    Stand-ins for functions are classes, too, whose attributes no pickle can change.
    """

    def __init__(self, *_: object) -> None:
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class Reader(pickle.Unpickler):
    """An unpickler that knows nothing but stand-ins.

    Attributes:
        known: stand-ins by the names that a file may have for them.
        other: stand-in for all other names; None to refuse these.
    """

    known: ClassVar[Mapping[str, type]] = {}
    other: ClassVar[type[Inert] | None] = None

    def find_class(self, module: str, name: str) -> type:
        """Return the stand-in of a name.

        Raises:
            UnpicklingError: there is none.
        """
        if (found := self.known.get(f"{module}.{name}", self.other)) is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of such data")
        return found
