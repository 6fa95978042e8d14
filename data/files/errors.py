"""The error that data raise, with one message and before training starts."""

__all__ = ["DataError"]


class DataError(ValueError):
    """Data are missing, damaged or not in the expected form.

    The message says what was expected, what was found, and what to do.
    """
