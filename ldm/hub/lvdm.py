"""Convert state dicts of the authors' U-Net of clips, LVDM's, to and from ours.

They number blocks as latent diffusion does, and name attention by `_s` within frames and by `_t`
along time. Names and shapes change, values never. The names `norm_s` and `norm_t`, and the order of
queries, keys and values, are as recalled. Source: He et al. 2022.
"""

from collections.abc import Mapping

from torch import Tensor

from ldm.hub.names import Rules, inverse, rename
from ldm.hub.unet import unet_from_compvis, unet_to_compvis

__all__ = ["lvdm_from_authors", "lvdm_to_authors"]

ATTENTION: Rules = (
    *((f"attention.space.{part}.", f"attention.{part}_s.") for part in ("norm", "qkv", "proj_out")),
    *((f"attention.time.{part}.", f"attention.{part}_t.") for part in ("norm", "qkv", "proj_out")),
    *(
        (f"attention.time.positions.{ours}.weight", f"attention.{theirs}.embeddings_table")
        for ours, theirs in (
            ("keys", "relative_position_k"),
            ("values", "relative_position_v"),
        )
    ),
    ("level_embedder.", "y_embedder."),
)
VECTORS = tuple(f"{part}_{axis}.weight" for part in ("qkv", "proj_out") for axis in "st")
"""Ends of the names of matrices that they keep as convolutions of one tap."""


def lvdm_from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the network of a whole latent diffusion of clips, averaged where it has averages.

    Args:
        state: of LVDM's unconditional, prediction or interpolation model; other parts, such as the
            autoencoder, are left out.

    Raises:
        ValueError: there is no such network in it.
    """
    named = unet_from_compvis(state)
    if not any(key.endswith("relative_position_k.embeddings_table") for key in named):
        raise ValueError("there is no relative_position_k.embeddings_table, so this is no LVDM")
    squeezed = {key: x.squeeze(2) if key.endswith(VECTORS) else x for key, x in named.items()}
    return {rename(key, inverse(*ATTENTION)): x for key, x in squeezed.items()}


def lvdm_to_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a `SpaceTimeUNet` without texts to the authors' names in a whole latent diffusion."""
    named = {rename(key, ATTENTION): x for key, x in state.items()}
    vectors = {key: x[..., None] if key.endswith(VECTORS) else x for key, x in named.items()}
    return unet_to_compvis(vectors)
