"""Several adversarial losses, which are added."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from ldm.losses.adversarial import Adversarial

__all__ = ["Adversaries"]

Scalar = Float[Tensor, ""]


class Adversaries(nn.Module):
    """Several adversarial losses, which are added, such as of frames and of whole clips.

    It is used in place of one `Adversarial`, whose methods it has.

    Args:
        parts: adversarial losses by name; the names precede those of what is logged.

    Raises:
        ValueError: there are none.

    Example:
        >>> import torch
        >>> frame = Adversarial(nn.Conv2d(3, 1, 4), "hinge", "hinge", 1.0, frames="random")
        >>> clip = Adversarial(nn.Conv3d(3, 1, 4), "hinge", "hinge", 1.0)
        >>> x = torch.zeros(2, 3, 4, 8, 8)
        >>> loss, stats = Adversaries({"frame": frame, "clip": clip}).discriminator_loss(x, x, 0)
        >>> "frame_discriminator" in stats
        True
    """

    def __init__(self, parts: Mapping[str, Adversarial]) -> None:
        super().__init__()
        if not parts:
            raise ValueError("no adversarial loss is named")
        self.parts = nn.ModuleDict(dict(parts))
        self.start = min(part.start for part in parts.values())

    def generator_loss(
        self,
        real: Float[Tensor, "batch ..."],
        reconstruction: Float[Tensor, "batch ..."],
        nll: Float[Tensor, ""],
        last_layer: Tensor | None,
        samples: int,
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """Add the tokenizer's losses, see `Adversarial.generator_loss`."""
        return self._sum("generator_loss", real, reconstruction, nll, last_layer, samples)

    def discriminator_loss(
        self,
        real: Float[Tensor, "batch ..."],
        fake: Float[Tensor, "batch ..."],
        samples: int,
        step: int = 0,
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """Add the discriminators' losses, see `Adversarial.discriminator_loss`."""
        return self._sum("discriminator_loss", real, fake, samples, step)

    @property
    def frozen(self) -> list[nn.Module]:
        """Modules that the discriminators read features of, neither trained nor saved."""
        return [module for part in self.parts.values() for module in part.frozen]

    def _sum(self, method: str, *given) -> tuple[Scalar, dict[str, Scalar]]:
        losses, stats = [], {}
        for name, part in self.parts.items():
            loss, own = getattr(part, method)(*given)
            losses.append(loss)
            stats |= {f"{name}_{key}": value for key, value in own.items()}
        return sum(losses), stats
