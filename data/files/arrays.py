"""Reading npy files, with clear errors for empty, truncated or foreign ones."""

from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from data.files.errors import DataError

__all__ = ["read_array"]


def read_array(path: Path, remedy: str) -> Shaped[np.ndarray, "..."]:
    """Read the array of an npy file, without unpickling.

    Args:
        path: of the file.
        remedy: advice for the error message if the file is damaged.

    Raises:
        DataError: the file is not a valid npy file; the message ends in the remedy.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a sound npy file ({error}): {remedy}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is not a sound npy file but several in one: {remedy}")
    return array
