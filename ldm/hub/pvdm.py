"""Convert state dicts of the U-Net of PVDM's authors to and from ours.

It names its layers as latent diffusion's U-Net does, and has the attention between planes beside
them, in lists without an entry for the first convolution. Values never change. Source: Yu et al.
2023.
"""

from collections.abc import Mapping

from torch import Tensor

from ldm.hub.names import Rules, inverse, rename
from ldm.hub.unet import NETWORK, unet_from_compvis, unet_to_compvis

__all__ = ["pvdm_from_authors", "pvdm_to_authors"]

ACROSS: Rules = (
    ("across_down.#.", "input_attns.#."),
    ("across_middle.", "mid_attn."),
    ("across_up.#.", "output_attns.#."),
)
STEM, BETWEEN = "input_blocks.0.0.weight", "input_attns.0.qkv.weight"


def pvdm_from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' `UNetModel` to a `TriplaneUNet`.

    Args:
        state: of the network, all of whose names may have one prefix.

    Raises:
        ValueError: there is no such network in it.
    """
    prefix = next((key.removesuffix(STEM) for key in state if key.endswith(STEM)), None)
    if prefix is None or prefix + BETWEEN not in state:
        raise ValueError(
            f"there is no {STEM} or no {BETWEEN}, so this is no U-Net of PVDM; it has "
            f"{', '.join(list(state)[:3]) or 'nothing'}"
        )
    inside = {key.removeprefix(prefix): x for key, x in state.items() if key.startswith(prefix)}
    named = {NETWORK + rename(key, inverse(*ACROSS)): x for key, x in inside.items()}
    return unet_from_compvis(named)


def pvdm_to_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a `TriplaneUNet` without classes to the authors' names."""
    theirs = unet_to_compvis(state)
    return {rename(key.removeprefix(NETWORK), ACROSS): x for key, x in theirs.items()}
