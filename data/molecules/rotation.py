"""Random rotations of molecules, each a function of a seed."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from data.order import mix

__all__ = ["rotations"]

TURN = 6  # stream id that keeps these hashes apart from others of the same seeds


def rotations(seeds: Sequence[int]) -> Float32[np.ndarray, "n 3 3"]:
    """Draw rotation matrices, uniform over all rotations.

    By Shoemake, "Uniform random rotations", 1992: a unit quaternion of two points on circles.

    Example:
        >>> rotations([0, 1]).shape
        (2, 3, 3)
    """
    from scipy.spatial.transform import Rotation  # late: others start faster without it

    bits = [mix(np.array(seeds, np.uint64), TURN, k) >> np.uint64(11) for k in range(3)]
    share, first, second = np.array(bits, np.float64) / 2**53
    quaternions = []
    for radius, angle in ((np.sqrt(1 - share), first), (np.sqrt(share), second)):
        quaternions += [radius * np.sin(2 * np.pi * angle), radius * np.cos(2 * np.pi * angle)]
    return Rotation.from_quat(np.stack(quaternions, 1)).as_matrix().astype(np.float32)
