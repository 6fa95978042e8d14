"""Convert state dicts of LFDM's U-Net of its authors to and from ours.

It is the `Unet3D` of the library video-diffusion-pytorch, which is MIT, with a second head,
`occlusion_map`. Names are as recalled of that library. Names and shapes change, values never.
Source: Ni et al. 2023.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ldm.hub.names import Rules, inverse, rename

__all__ = ["lfdm_from_authors", "lfdm_to_authors"]

ALONE = "fn.fn."  # a module inside of a normalisation inside of a skip connection
RESHAPED = "fn.fn.fn."  # the same inside of a module that reshapes what it reads


def _attention(ours: str, theirs: str, inside: str) -> Rules:
    return (f"{ours}norm.", f"{theirs}fn.norm."), (ours, theirs + inside)


def _levels(side: str) -> Rules:
    return (
        (f"{side}.#.first.", f"{side}.#.0."),
        (f"{side}.#.second.", f"{side}.#.1."),
        *_attention(f"{side}.#.places.", f"{side}.#.2.", ALONE),
        *_attention(f"{side}.#.times.", f"{side}.#.3.", RESHAPED),
        (f"{side}.#.resize.", f"{side}.#.4."),
    )


NAMES: Rules = (
    *_levels("downs"),
    *_levels("ups"),
    *_attention("stem_times.", "init_temporal_attn.", RESHAPED),
    *_attention("middle_places.", "mid_spatial_attn.", RESHAPED),
    *_attention("middle_times.", "mid_temporal_attn.", RESHAPED),
    ("stem.", "init_conv."),
    *((f"middle.{n}.", f"mid_block{n + 1}.") for n in range(2)),
    ("heads.0.", "final_conv."),
    ("heads.1.", "occlusion_map."),
    *((f"time.{n}.", f"time_mlp.{n + 1}.") for n in (0, 2)),
    ("bias.table.", "time_rel_pos_bias.relative_attention_bias."),
    ("null", "null_cond_emb"),
    *(
        (f"{ours}.{inner}.", f"{theirs}.{outer}.")
        for ours, theirs in (("first", "block1"), ("second", "block2"))
        for inner, outer in (("conv", "proj"), ("norm", "norm"))
    ),
    ("style.", "mlp.1."),
    ("skip.", "res_conv."),
)
STEM, HEAD, GAMMA = "init_conv.weight", "occlusion_map.1.weight", "norm.gamma"
TURNED = ("times.to_qkv.weight", "rotary_emb.freqs")
"""Our matrix of attention along time, and their frequencies of rotary embedding, its constants."""


def frequencies(head_width: int = 32) -> Tensor:
    """Frequencies of rotary embedding, as that library computes them."""
    return 1.0 / 10000 ** (torch.arange(0, head_width, 2).float() / head_width)


def lfdm_from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' `Unet3D` to a `FlowUNet` whose upsampling is a deconvolution.

    Args:
        state: of the network, all of whose names may have one prefix; other parts are left out.

    Raises:
        ValueError: there is no such network in it; its upsampling is another, whose names are not
            known; or its rotary embedding has other frequencies.
    """
    prefix = next((key.removesuffix(STEM) for key in state if key.endswith(STEM)), None)
    if prefix is None or prefix + HEAD not in state:
        raise ValueError(
            f"there is no {STEM} or no {HEAD}, so this is no U-Net of LFDM; it has "
            f"{', '.join(list(state)[:3]) or 'nothing'}"
        )
    ours = {}
    for key, x in state.items():
        if not key.startswith(prefix):
            continue
        if key.endswith(TURNED[1]):
            if x.shape != (16,) or not torch.allclose(x.float().cpu(), frequencies()):
                raise ValueError(f"{key} are no frequencies of base 10,000 for heads 32 wide")
            continue
        name = rename(key.removeprefix(prefix), inverse(*NAMES))
        if name.startswith("ups.") and ".resize." in name and x.ndim == 5 and x.shape[-1] != 4:
            raise ValueError(f"{key} is no deconvolution, and names of others are not known")
        ours[name] = x.flatten() if name.endswith(GAMMA) else x
    return ours


def lfdm_to_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a `FlowUNet` whose upsampling is a deconvolution to the authors' names."""
    theirs = {}
    for key, x in state.items():
        name = rename(key, NAMES)
        theirs[name] = x.view(1, -1, 1, 1, 1) if key.endswith(GAMMA) else x
        if key.endswith(TURNED[0]):
            theirs[name.replace("to_qkv.weight", TURNED[1])] = frequencies()
    return theirs
