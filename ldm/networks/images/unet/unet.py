"""The U-Net that denoises latents in latent diffusion and Stable Diffusion.

Source: Rombach et al., "High-resolution image synthesis with latent diffusion models", 2022, after
Dhariwal and Nichol 2021.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ldm.networks.embedders import LabelEmbedder, TimestepEmbedder
from ldm.networks.images.unet.attention import TransformerLayer
from ldm.networks.images.unet.hourglass import Hourglass
from ldm.networks.images.unet.levels import Style

__all__ = ["UNet"]


class UNet(Hourglass):
    """A convolutional network that denoises latents, told the time and a class, text or image.

    A new network gives zero. Pixels attend to the sequence of a text, or to the embedding of a
    class if `context` is set; other classes are added to the time embedding, and an image is
    concatenated to the noisy latent. Training may compile `down`, `middle` and `up`.

    Args:
        shape: shape of one latent, `(channels, height, width)`. Only the channels matter: sides may
            be any multiples of `2 ** (len(multipliers) - 1)`.
        width: channels of the first convolution.
        multipliers: channels of each level divided by `width`, finest level first.
        blocks: residual blocks of a level on the way down; there is one more on the way up.
        attention: downsampling factors, such as 1, 2 and 4, of the levels with attention.
        heads: attention heads; None to set `head_width` instead.
        head_width: channels of one attention head.
        context: width of the class embedding that pixels attend to; 0 for none.
        depth: layers of each spatial transformer, which there are where there is a context.
        linear: keep their projections as matrices, see `SpatialTransformer`.
        scale_shift: let the time embedding scale features, too, see `ResidualBlock`.
        resample_blocks: halve and double the grid by residual blocks, not by convolutions.
        classes: number of class labels; label `classes` means no label. 0 builds no label table.
        null_class: False for a network that is always told a label, whose table has no such row.
        text_shape: tokens and width of an embedded text; None for none.
        image_shape: channels and sides of an image of the latent's sides; None for none.

    Raises:
        ValueError: `heads` and `head_width` are not exactly one number that divides the channels,
            channels are not multiples of 32, or an input is missing, unexpected or of other sides.

    Example:
        >>> net = UNet([4, 8, 8], width=32, multipliers=[1, 2], heads=2, context=16, classes=10)
        >>> net(torch.zeros(2, 4, 8, 8), torch.tensor([0, 999]), torch.tensor([3, 10])).shape
        torch.Size([2, 4, 8, 8])
    """

    styled: Callable[..., Style] = Style
    """Builds the options of all blocks."""

    def __init__(
        self,
        shape: Sequence[int] = (4, 32, 32),
        width: int = 320,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        blocks: int = 2,
        attention: Sequence[int] = (1, 2, 4),
        heads: int | None = None,
        head_width: int | None = None,
        context: int = 0,
        depth: int = 1,
        linear: bool = False,
        scale_shift: bool = False,
        resample_blocks: bool = False,
        classes: int = 0,
        null_class: bool = True,
        text_shape: Sequence[int] | None = None,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if image_shape is not None and tuple(image_shape[1:]) != tuple(shape[1:]):
            raise ValueError(
                f"an image is concatenated to latents of the same sides, found an image of "
                f"{tuple(image_shape)} and latents of {tuple(shape)}"
            )
        channels, embedding = shape[0], 4 * width
        told = text_shape is not None
        self.shape, self.classes, self.null_class = tuple(shape), classes, null_class
        self.class_in_context = bool(classes and context and not told)
        context = text_shape[-1] if told else context * self.class_in_context
        self.told = {"text": told, "image": image_shape is not None}
        style = self.styled(
            embedding, context, heads, head_width, depth, linear, scale_shift, resample_blocks
        )
        self.t_embedder = TimestepEmbedder(embedding, waves=width)
        table = context if self.class_in_context else embedding
        self.y_embedder = LabelEmbedder(classes, table, null_class) if classes else None
        added = image_shape[0] if image_shape is not None else 0
        self.build(style, channels + added, channels, width, multipliers, blocks, attention)
        if self.class_in_context:
            self._freeze_unused()

    def _freeze_unused(self) -> None:
        """Exclude from training what attention to a single place does not depend on."""
        for layer in self.modules():
            if isinstance(layer, TransformerLayer):
                for part in (layer.sequence.norm, layer.sequence.q, layer.sequence.k):
                    part.requires_grad_(False)

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        t: Float[Tensor, " b"] | Int[Tensor, " b"],
        label: Int[Tensor, " b"] | None = None,
        text: Float[Tensor, "b tokens d"] | None = None,
        text_mask: Bool[Tensor, "b tokens"] | None = None,
        image: Float[Tensor, "b _ h w"] | None = None,
    ) -> Float[Tensor, "b c h w"]:
        """Predict from noisy latents `x` at times `t`, in the unit of the process.

        Without labels, every sample gets label `classes` (no label).
        """
        self._check(x, label, text=text, image=image)
        embedding, context = self.embed(t, label)
        h = x if image is None else torch.cat([x, image.to(x.dtype)], 1)
        context = text if context is None else context
        return self.through(h, F.silu(embedding), context, text_mask)

    def embed(
        self, t: Float[Tensor, " b"] | Int[Tensor, " b"], label: Int[Tensor, " b"] | None
    ) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b 1 e"] | None]:
        """Embed times and classes, and apart from them classes that pixels attend to."""
        embedding, context = self.t_embedder(t), None
        if self.y_embedder is not None:
            if label is None and not self.null_class:
                raise ValueError("built with null_class=False, found no label: give one")
            if label is None:
                label = torch.full(t.shape, self.classes, device=t.device)
            told = self.y_embedder(label)
            if self.class_in_context:
                context = told[:, None]
            else:
                embedding = embedding + told
        return embedding, context

    def _check(self, x: Tensor, label: Tensor | None, **told: Tensor | None) -> None:
        channels, *sides = x.shape[1:]
        if channels != self.shape[0] or any(side % self.downsampling for side in sides):
            raise ValueError(
                f"built for latents of {self.shape[0]} channels whose sides are multiples of "
                f"{self.downsampling}, found {tuple(x.shape[1:])}"
            )
        if label is not None and self.y_embedder is None:
            raise ValueError("built with classes=0, found a label: leave it out or set classes")
        for key, value in told.items():
            if (value is not None) != self.told[key]:
                state = "found none" if value is None else "found one"
                raise ValueError(
                    f"built {'for' if self.told[key] else 'without'} {key}, {state}: condition the "
                    f"prior on what its network was built for"
                )
