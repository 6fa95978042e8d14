"""The type of a batch, and a check of its values."""

import torch
from torch import Tensor

from data.files.errors import DataError

__all__ = ["Batch", "check_batch"]

Batch = dict[str, Tensor]
"""Tensors under the fixed keys that data/README.md lists."""


def check_batch(batch: Batch, shape: tuple[int, ...] | None = None) -> None:
    """Refuse a batch with missing keys, wrong shapes or numbers that are not finite.

    Args:
        batch: with at least `x` and `index`.
        shape: of one `x`, where all have the same: `(channels, height, width)`; None for no check.

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
            bad = ~torch.isfinite(value).unsqueeze(-1).flatten(1).all(1)
            if bad.any():
                raise DataError(
                    f"`{key}` holds NaN or infinity in the samples with index "
                    f"{batch['index'][bad].tolist()[:10]}: mend or remove them"
                )
