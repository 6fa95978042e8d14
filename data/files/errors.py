"""What goes wrong with data, said in one message before training starts."""

__all__ = ["DataError"]


class DataError(ValueError):
    """Data that is missing, damaged or not of the form asked for.

    The message says what was expected, what was found, and what to do.
    """
