"""Convert state dicts to and from the authors' KL and VQ autoencoders, of CompVis and of taming.

Both name the networks as we do, and keep the 1x1 convolutions around the bottleneck and the rows of
the codebook beside them. Values never change. Source: Rombach et al. 2022 and Esser et al. 2021.
"""

from collections.abc import Mapping

from torch import Tensor

from ldm.hub.names import Rules, inverse, rename

__all__ = ["AROUND", "autoencoder_from_compvis", "autoencoder_to_compvis"]

AROUND: Rules = (
    ("encoder.quant_conv.", "quant_conv."),
    ("decoder.post_quant_conv.", "post_quant_conv."),
    ("bottleneck.codebook", "quantize.embedding.weight"),
)
INSIDE = "first_stage_model."  # prefix of the autoencoder in the file of a whole latent diffusion
PARTS = ("encoder.", "decoder.", "bottleneck.")


def autoencoder_from_compvis(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert an `AutoencoderKL`, `VQModel` or `VQModelInterface` of the authors to a tokenizer.

    Args:
        state: of the autoencoder, or of a latent diffusion model that contains it. Other parts,
            such as the discriminator, are left out.

    Raises:
        ValueError: there is no such autoencoder in it.
    """
    inside = {k.removeprefix(INSIDE): x for k, x in state.items() if k.startswith(INSIDE)}
    renamed = {rename(key, inverse(*AROUND)): x for key, x in (inside or state).items()}
    ours = {key: x for key, x in renamed.items() if key.startswith(PARTS)}
    for key in ("encoder.quant_conv.weight", "decoder.post_quant_conv.weight"):
        if key not in ours:
            raise ValueError(
                f"there is no {key.partition('.')[2]}, so this is no autoencoder of CompVis or "
                f"taming; it has {', '.join(list(state)[:3]) or 'nothing'}"
            )
    return ours


def autoencoder_to_compvis(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a tokenizer with `compvis` networks to the authors' layout.

    The mean and standard deviation of latents have no place there.
    """
    return {rename(k, AROUND): x for k, x in state.items() if k not in ("mean", "std")}
