"""The error that data raise, with one message and before training starts."""

__all__ = ["DataError"]


class DataError(ValueError):
    """Data are missing, damaged or not in the expected form.

    The message says what was expected, what was found, and what to do.
    """

    def __init__(self, message: str) -> None:
        # A loader's worker process sends the message at the end of its traceback.
        super().__init__(message.rpartition(f"{__name__}.DataError: ")[2].strip())
