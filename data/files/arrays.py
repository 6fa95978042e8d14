"""Arrays in npy files, which may be empty, cut short or something else altogether."""

from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from data.files.errors import DataError

__all__ = ["read_array"]


def read_array(path: Path, remedy: str, mapped: bool = False) -> Shaped[np.ndarray, "..."]:
    """Read an npy file; pickled objects in it are refused.

    Args:
        path: of the file.
        remedy: what the user should do about a damaged file, for the message.
        mapped: map the file into memory, to read only what is used of it.

    Raises:
        DataError: the file is damaged, or not an npy file.
    """
    try:
        array = np.load(path, "r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{path} is not a sound npy file ({error}): {remedy}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is not a sound npy file but several in one: {remedy}")
    return array
