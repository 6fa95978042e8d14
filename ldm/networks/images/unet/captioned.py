"""A U-Net with a text encoder of its own, as in text-to-image latent diffusion."""

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn

from ldm.networks.images.unet.unet import UNet

__all__ = ["CaptionedUNet"]


class CaptionedUNet(UNet):
    """A U-Net that attends to a caption through a text encoder that is trained with it.

    Args:
        text_encoder: maps token ids `(b, tokens)` to states `(b, tokens, width)`; it has a `width`.
        text_shape: tokens of a caption.
        **options: of `UNet`.

    Example:
        >>> import torch
        >>> from ldm.networks.sequences.text_transformer import TextTransformer
        >>> text = TextTransformer([5], 9, width=8, depth=1, heads=2, head_width=4)
        >>> net = CaptionedUNet(text, shape=[4, 8, 8], width=32, multipliers=[1, 2], heads=2)
        >>> net(torch.zeros(2, 4, 8, 8), torch.tensor([0, 999]), torch.zeros(2, 5).int()).shape
        torch.Size([2, 4, 8, 8])
    """

    def __init__(
        self, text_encoder: nn.Module, text_shape: Sequence[int] = (77,), **options
    ) -> None:
        super().__init__(text_shape=[*text_shape, text_encoder.width], **options)
        self.text_encoder = text_encoder

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        t: Float[Tensor, " b"] | Int[Tensor, " b"],
        text: Int[Tensor, "b tokens"],
    ) -> Float[Tensor, "b c h w"]:
        """Predict from noisy latents `x` at times `t`, in the unit of the process."""
        return super().forward(x, t, text=self.text_encoder(text))
