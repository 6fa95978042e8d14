"""What a batch is, and whether one is sound."""

import torch
from torch import Tensor

from data.files.errors import DataError

__all__ = ["Batch", "check_batch"]

Batch = dict[str, Tensor]
"""Tensors under the fixed keys that data/README.md lists."""


def check_batch(batch: Batch, shape: tuple[int, ...] | None = None) -> None:
    """Refuse a batch that would poison training.

    Args:
        batch: with at least `x` and `index`.
        shape: what one `x` should be, where all are alike: `(channels, height, width)`.

    Raises:
        DataError: a key is missing, `x` has another shape, or a real number is not finite; the
            message names the samples by their index.
    """
    missing = {"x", "index"} - batch.keys()
    if missing:
        raise DataError(f"a batch needs the keys x and index, got {sorted(batch)}")
    if shape is not None and tuple(batch["x"].shape[1:]) != tuple(shape):
        raise DataError(f"samples should have shape {shape}, got {tuple(batch['x'].shape[1:])}")
    for key, value in batch.items():
        if value.is_floating_point():
            bad = ~torch.isfinite(value).flatten(1).all(1)
            if bad.any():
                raise DataError(
                    f"`{key}` holds NaN or infinity in the samples with index "
                    f"{batch['index'][bad].tolist()[:10]}: mend or remove them"
                )
