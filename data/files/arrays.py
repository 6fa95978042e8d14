"""Arrays in npy files, which may be empty, cut short or something else altogether."""

from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from data.files.errors import DataError

__all__ = ["read_array"]


def read_array(path: Path, remedy: str) -> Shaped[np.ndarray, "..."]:
    """The array of an npy file; nothing in it is run.

    Args:
        path: of the file.
        remedy: what to do where it is damaged, in words.

    Raises:
        DataError: it is no sound npy file, and the remedy.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a sound npy file ({error}): {remedy}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is not a sound npy file but several in one: {remedy}")
    return array
