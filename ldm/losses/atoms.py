"""The reconstruction error of molecules: positions, types and charges of atoms."""

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["AtomError"]


class AtomError:
    """Squared error of positions, cross-entropy of types and squared error of other features.

    They are summed over a molecule's atoms and divided by the entries of the batch's largest, so
    that molecules count by their numbers of atoms, as GeoLDM is trained (Xu et al. 2023). A term of
    a `Regularizer`.

    Args:
        types: number of classes; a reconstruction has their logits after its positions.

    Example:
        >>> import torch
        >>> error = AtomError(2)
        >>> batch = {"x": torch.tensor([[[0.0, 0, 0, 1, 0]]]), "mask": torch.tensor([[True]])}
        >>> error(None, batch, None, {"x": torch.zeros(1, 1, 5)})  # log 2, of five entries
        tensor(0.1386)
    """

    def __init__(self, types: int) -> None:
        self.types = types

    def __call__(
        self, tokenizer: Any, batch: dict, encoded: Any, reconstruction: dict, *_: Any
    ) -> Float[Tensor, ""]:
        """Mean error of a batch of molecules and its reconstruction."""
        x, mask = batch["x"], batch["mask"]
        there, back = x[mask], reconstruction["x"][mask]
        end = 3 + self.types
        classes = F.cross_entropy(back[:, 3:end], there[:, 3:end].argmax(1), reduction="sum")
        squares = (back - there).square()
        total = squares[:, :3].sum() + classes + squares[:, end:].sum()
        return total / (len(x) * mask.sum(1).max() * x.shape[-1])
