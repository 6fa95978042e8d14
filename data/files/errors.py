"""The error for missing or damaged data, raised before training starts."""

__all__ = ["DataError"]


class DataError(ValueError):
    """Data that is missing, damaged or of the wrong form.

    The message states what was expected, what was found, and what to do.
    """
