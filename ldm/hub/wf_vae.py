"""Convert state dicts of the authors' WF-VAE to and from ours.

Their parts have our names. Their causal convolutions and layer normalisations hold a module more,
`conv` and `norm`, and their encoder the kernels of its Haar transforms, which are constants and
left out. Values never change. Names below a block, such as `norm1` and `nin_shortcut`, are those of
latent diffusion's autoencoders: no source at hand lists them. Source: Li et al. 2025.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ldm.networks.videos.haar import SCALES

__all__ = ["wf_vae_from_authors", "wf_vae_sizes", "wf_vae_to_authors"]

PARTS = ("encoder.", "decoder.")
KERNELS = "wavelet_transform"
NEEDED = ("encoder.down1.0.weight", "encoder.connect_l1.weight", "decoder.conv_in.conv.weight")
PUBLISHED = SCALES["published"]


def wf_vae_from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a WF-VAE of the authors to a tokenizer with `wf_vae` networks.

    Args:
        state: of the autoencoder; other parts, such as a discriminator, are left out.

    Raises:
        ValueError: this is no WF-VAE with layer normalisation, or its Haar transforms have another
            constant.
    """
    for key in NEEDED:
        if key not in state:
            raise ValueError(
                f"there is no {key}, so this is no WF-VAE of its authors; it has "
                f"{', '.join(list(state)[:3]) or 'nothing'}"
            )
    if "encoder.norm_out.norm.weight" not in state:
        raise ValueError("it has group normalisation, whose names are not known here")
    ours = {}
    for key, x in state.items():
        if KERNELS in key:
            if x.ndim == 5 and not torch.allclose(x.abs(), torch.tensor(PUBLISHED).to(x)):
                raise ValueError(f"{key} is no Haar transform of constant {PUBLISHED}")
        elif key.startswith(PARTS):
            place, name = key.rsplit(".", 1)
            inner = _inner(state, f"{place}.weight")
            ours[f"{place.removesuffix(inner)}.{name}"] = x
    return ours


def wf_vae_to_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a tokenizer with `wf_vae` networks and layer normalisation to the authors' layout.

    The mean and standard deviation of latents have no place there. Kernels of the Haar transforms
    are not written.
    """
    theirs = {}
    for key, x in state.items():
        if key.startswith(PARTS):
            place, name = key.rsplit(".", 1)
            theirs[f"{place}{_inner(state, f'{place}.weight')}.{name}"] = x
    return theirs


def wf_vae_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the sizes of a tokenizer with `wf_vae` networks.

    Args:
        state: under our names.

    Returns:
        Arguments by their keys in the configuration of a tokenizer, and `channels` of the clips.
    """
    width, bands = state["encoder.down1.0.weight"].shape[:2]
    return {
        "encoder.width": width,
        "encoder.flow": len(state["encoder.connect_l1.weight"]),
        "bottleneck.shape": [state["decoder.conv_in.weight"].shape[1]],
        "channels": bands // 8,
    }


def _inner(state: Mapping[str, Tensor], weight: str) -> str:
    """Name the module that the authors have inside one of this weight: by its axes."""
    return {5: ".conv", 1: ".norm"}.get(state[weight].ndim, "")
