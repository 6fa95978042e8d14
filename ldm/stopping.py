"""Stopping on SIGTERM and SIGINT: at once, or when the step that is being computed is saved."""

import signal
import threading
import time
from typing import Any

__all__ = ["SIGNALS", "Stop", "Stopped"]

SIGNALS = (signal.SIGTERM, signal.SIGINT)
AGAIN = 1.0  # seconds after which another SIGINT is another wish, not the same one sent twice


class Stopped(BaseException):
    """A signal ended the work; no error, so nothing that handles errors stands in its way.

    Args:
        number: of the signal.
        kept: what was saved in answer to it; empty if it stopped the work at once.
    """

    def __init__(self, number: int, kept: str = "") -> None:
        self.kept, self.code = kept, 128 + number  # a shell's exit code for it
        super().__init__(
            f"stopped by {signal.Signals(number).name}, {kept or 'what was finished is kept'}: the "
            f"same command goes on from there"
        )


class Stop:
    """Answers SIGTERM and SIGINT while it is entered, in place of the handlers before it.

    Launchers signal all processes of a group, some of them twice: only SIGINT, a second later,
    counts again, and stops at once.

    Args:
        at_once: raise `Stopped` wherever the signal arrives; False to note it in `asked`.
    """

    def __init__(self, at_once: bool = False) -> None:
        self.at_once = at_once
        self.asked: int | None = None
        """Number of the signal that asked to stop, if any did."""
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "Stop":
        self.listen()
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def listen(self) -> None:
        """Answer signals from now on, except those that are ignored, as by a background command."""
        self.asked = None
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) for number in SIGNALS}
            self.before = {n: one for n, one in handlers.items() if one is not signal.SIG_IGN}
            for number in self.before:
                signal.signal(number, self._answer)

    def _answer(self, number: int, _) -> None:
        if self.asked is None:
            self.asked, self.since = number, time.monotonic()
            if self.at_once:
                raise Stopped(number)
        elif number == signal.SIGINT and time.monotonic() - self.since > AGAIN:
            raise Stopped(number)
