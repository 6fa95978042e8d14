"""The identity tokenizer, for data that already are points of a prior's space."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from ldm.bottlenecks.passthrough import Passthrough
from ldm.spaces import Space
from ldm.tokenizers.tokenizer import Tokenizer

__all__ = ["Identity"]


class Same(nn.Module):
    """The function that returns its argument, whatever context comes with it."""

    def forward(self, x: Float[Tensor, "b ..."], **context: Tensor) -> Float[Tensor, "b ..."]:
        return x


class Identity(Tokenizer):
    """Uses points of a space as their own latents: nothing to train, nothing to load.

    Args:
        space: that contains the data.
        scale: that data are divided by: one number, one for each feature of a point, or one for
            each group of `columns`; by default 1.
        columns: sizes of groups of features that are scaled alike, some of which may be empty.

    Example:
        >>> import torch
        >>> from ldm.spaces import Sphere
        >>> Identity(Sphere(2)).encode({"x": torch.eye(3)}).latent.shape
        torch.Size([3, 3])
    """

    def __init__(
        self,
        space: Space,
        scale: float | Sequence[float] | None = None,
        columns: Sequence[int] | None = None,
    ) -> None:
        if columns is not None and isinstance(scale, Sequence) and len(scale) == len(columns):
            scale = [one for one, size in zip(scale, columns, strict=True) for _ in range(size)]
        super().__init__(Same(), Passthrough(space), Same(), scale=scale)

    def log_volume_change(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Zero.

        Raises:
            ValueError: the data are scaled.
        """
        return super().log_volume_change(x) if self.fixed else x.new_zeros(x.shape[:1])
