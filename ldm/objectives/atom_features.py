"""The probability of atoms' types and charges given latents with little noise, as EDM has it.

Source: Hoogeboom et al., "Equivariant diffusion for molecule generation in 3D", 2022, section 3.3.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.special import ndtr

from ldm.tensors import like

__all__ = ["AtomFeatures"]

TINY = 1e-10  # added to probabilities before their logarithm, as published


class AtomFeatures:
    """One-hot types and whole numbers, observed with normal noise and rounded.

    A class is as likely as the noise takes its entry to within 1/2 of 1, of all classes; a whole
    number as the noise takes it to within 1/2 of itself.

    Args:
        types: number of classes; the features after them are whole numbers.
        latent_scale: that latents were divided by, one number for each entry of a point; None
            where they are no atoms divided by fixed numbers.
        first: coordinates before the types.

    Raises:
        ValueError: latents are no atoms divided by fixed numbers.
    """

    def __init__(
        self, types: int, latent_scale: Sequence[float] | None = None, first: int = 3
    ) -> None:
        if latent_scale is None:
            raise ValueError(
                "types and charges have a probability where latents are atoms divided by fixed "
                "numbers: set tokenizer.scale, or objective.discrete=null"
            )
        self.types, self.first, self.scale = types, first, tuple(latent_scale)

    def check(self, sigma: float) -> None:
        """Refuse noise of time 0 that rounding does not undo almost surely, as EDM does.

        Raises:
            ValueError: 1 is less than eight of its standard deviations, in the unit of the data.
        """
        largest = max(self.scale[self.first :])
        if 8 * sigma * largest > 1:
            raise ValueError(
                f"types and charges are divided by up to {largest:g}, too much to be read from "
                f"latents with the noise of time 0, {sigma:.3g}: lower tokenizer.scale to "
                f"{1 / (8 * sigma):.3g} or less, or choose another schedule"
            )

    def log_prob(
        self,
        latent: Float[Tensor, "n places features"],
        noisy: Float[Tensor, "n places features"],
        sigma: Float[Tensor, " n"],
        condition: dict[str, Tensor],
    ) -> Float[Tensor, " n"]:
        """Log probability of all of a sample's features, nats; empty places have none.

        Args:
            latent: without noise.
            noisy: with that of time 0.
            sigma: standard deviation of that noise.
            condition: its `mask` says which places are occupied.
        """
        scale = torch.tensor(self.scale[self.first :], dtype=latent.dtype, device=latent.device)
        data, seen = (x[..., self.first :] * scale for x in (latent, noisy))
        width = like(sigma, seen) * scale
        classes = _around(seen[..., : self.types] - 1, width[..., : self.types])
        chosen = data[..., : self.types].argmax(-1, keepdim=True)
        found = classes.log_softmax(-1).gather(-1, chosen).squeeze(-1)
        rest = slice(self.types, None)
        whole = _around(data[..., rest].round() - seen[..., rest], width[..., rest]).sum(-1)
        total = found + whole
        mask = condition.get("mask")
        return (total if mask is None else torch.where(mask, total, 0)).sum(1)


def _around(x: Float[Tensor, "*shape"], width: Float[Tensor, "*#shape"]) -> Float[Tensor, "*shape"]:
    """Log probability that noise of this width takes `x` to within 1/2 of 0."""
    return (ndtr((x + 0.5) / width) - ndtr((x - 0.5) / width) + TINY).log()
