"""The tokenizer of LFDM: the motion of a clip, given its first frame.

Source: Ni et al., "Conditional image-to-video generation with latent flow diffusion models", 2023.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from data import Batch
from ldm.bottlenecks import Encoded
from ldm.networks.videos.lfdm.autoencoder import FlowDecoder, FlowEncoder
from ldm.randomness import Generators, uniform
from ldm.tokenizers.tokenizer import Tokenizer

__all__ = ["LatentFlow"]


class LatentFlow(Tokenizer):
    """Latents are flow and occlusion, which say nothing of appearance: that of a first frame stays.

    A prior of motion is told the features of the first frame, `appearance`. In training a pair of
    frames is drawn from each clip, and the second is painted from the first.

    Args:
        **arguments: see `Tokenizer`; encoder and decoder are those of
            `ldm.networks.videos.lfdm.autoencoder`, and `context_keys` is `first_frame`.
    """

    encoder: FlowEncoder
    decoder: FlowDecoder

    def conditions(self, batch: Batch) -> Batch:
        """Features of the first frame."""
        return {"appearance": self.decoder.appearance(_first(batch))}

    def encode(self, batch: Batch, generator: Generators = None) -> Encoded:
        batch = {**batch, "first_frame": _first(batch)}
        encoded = super().encode(batch, generator)
        return encoded._replace(context={**encoded.context, **self.conditions(batch)})

    def forward(self, batch: Batch, generator: Generators = None) -> tuple[Batch, Encoded]:
        """A frame of each clip, `target`, and what is painted of it from another, both of length 1.

        Source and target are any two frames of the clip, drawn anew each time.
        """
        clips = batch["x"]
        b, frames = len(clips), clips.shape[2]
        drawn = uniform((b, 2), generator, clips.device) * frames
        source, target = drawn.long().clamp(max=frames - 1).unbind(1)
        rows = torch.arange(b, device=clips.device)
        pair = {"x": clips[rows, :, target][:, :, None], "first_frame": clips[rows, :, source]}
        encoded = super().encode(pair, generator)
        painted = self._decode(encoded.latent, encoded.context)["x"]
        return {"x": painted, "target": pair["x"]}, encoded


def _first(batch: Batch) -> Float[Tensor, "b c h w"]:
    return batch["first_frame"] if "first_frame" in batch else batch["x"][:, :, 0]
