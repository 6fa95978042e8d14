"""Convert state dicts to and from the authors' tokenizers of grouped spherical quantization.

Both number the blocks of a network in one list. What the authors call attention between the middle
blocks is not known here. Values never change. Source: Wang et al. 2024, arXiv 2412.02632.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from torch import Tensor

from ldm.hub.names import Rules, inverse, rename

__all__ = ["gsq_from_authors", "gsq_sizes", "gsq_to_authors"]

RULES: Rules = (
    ("blocks.#.net.5.", "blocks.#.net.6."),  # after a dropout, which ours has not
    ("encoder.blocks.#.weight", "encoder.blocks.#.conv.weight"),
    ("encoder.blocks.#.bias", "encoder.blocks.#.conv.bias"),
    ("encoder.head.", "encoder.fianl_layers."),  # as it is spelt there
    ("decoder.head.", "decoder.final_layers."),
    ("bottleneck.codebook", "quantizers.codebook.weight"),
)
NEAREST: Rules = (("decoder.blocks.#.1.", "decoder.blocks.#.conv."),)
"""The convolution after nearest-neighbour upsampling; that of depth-to-space has one name."""

PARTS = ("encoder.", "decoder.", "bottleneck.")
NEEDED = "encoder.fianl_layers.2.weight", "decoder.conv_in.weight", "quantizers.codebook.weight"
NEAREST_WEIGHT = re.compile(r"decoder\.blocks\.\d+\.1\.weight")
NORM, RESAMPLING = "norm", "resampling"
MIDDLE = 2  # middle blocks, where nothing divides them from those of the coarsest level


def gsq_from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a tokenizer of the authors to one with `gsq` networks.

    Args:
        state: of the tokenizer; other parts, such as a discriminator, are left out.

    Raises:
        ValueError: this is no such tokenizer.
    """
    for key in NEEDED:
        if key not in state:
            raise ValueError(
                f"there is no {key}, so this is no tokenizer of GSQ's authors; it has "
                f"{', '.join(list(state)[:3]) or 'nothing'}"
            )
    upsampling = "decoder.blocks.", ".conv.weight"
    shapes = [x.shape for k, x in state.items() if all(part in k for part in upsampling)]
    nearest = all(shape[0] == shape[1] for shape in shapes)
    rules = inverse(*RULES, *(NEAREST if nearest else ()))
    ours = {rename(key, rules): x for key, x in state.items()}
    return {key: x for key, x in ours.items() if key.startswith(PARTS)}


def gsq_to_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a tokenizer with `gsq` networks to the authors' layout.

    The mean and standard deviation of latents have no place there.
    """
    rules = (*RULES, *NEAREST)
    return {rename(k, rules): x for k, x in state.items() if k not in ("mean", "std")}


def gsq_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the sizes of a tokenizer with `gsq` networks.

    Args:
        state: under our names.

    Returns:
        Arguments by their keys in the configuration of a tokenizer, and `channels` of the images.

    Raises:
        ValueError: no configuration builds such networks, or they have attention.
    """
    width, channels = state["encoder.conv_in.weight"].shape[:2]
    latent = len(state["encoder.head.2.bias"])
    codes, each = state["bottleneck.codebook"].shape
    if latent % each:
        raise ValueError(f"codes of {each} channels do not divide latents of {latent}")
    down, up = _blocks(state, "encoder"), _blocks(state, "decoder")
    levels, mirrored = _levels(down), _levels(up)[::-1]
    wide = [level[-1][0] for level in levels]
    if any(each % width for each in wide):
        raise ValueError(f"levels of {wide} channels are no multiples of {width}")
    # Adaptive norms follow the decoder's middle blocks; without, these go on as the coarsest level.
    norms = NORM in up
    middle = up.index(NORM) if norms else min(MIDDLE, len(mirrored[-1]))
    blocks, others = _counts(levels, middle), _counts(mirrored, middle)
    found = {
        "encoder.width": width,
        "encoder.multipliers": [each // width for each in wide],
        "encoder.blocks": blocks,
        "bottleneck.shape": [latent],
        "bottleneck.groups": latent // each,
        "bottleneck.codes": codes,
        "channels": channels,
    }
    other = {
        "encoder.middle_blocks": (middle, MIDDLE),
        "decoder.blocks": (others, blocks),
        "decoder.adaptive_norm": (norms, True),
        "decoder.depth_to_space": (not any(NEAREST_WEIGHT.fullmatch(key) for key in state), True),
    }
    return found | {key: value for key, (value, default) in other.items() if value != default}


def _blocks(state: Mapping[str, Tensor], side: str) -> list[Any]:
    """List the blocks of a network: residual ones by their channels, and if these change."""
    found = []
    for k in count():
        place = f"{side}.blocks.{k}."
        names = {key.removeprefix(place) for key in state if key.startswith(place)}
        if not names:
            return found
        if "net.2.weight" in names:
            changes = "skip.weight" in names
            found.append((len(state[f"{place}net.2.bias"]), changes))
        elif names & {"weight", "1.weight", "conv.weight"}:
            found.append(RESAMPLING)
        elif "gamma.weight" in names:
            found.append(NORM)
        else:
            raise ValueError(
                f"{side}.blocks.{k} has {', '.join(sorted(names))}, and is none of the blocks that "
                f"are known here: attention is not"
            )
    return found


def _levels(blocks: Iterable[Any]) -> list[list[tuple[int, bool]]]:
    """Divide residual blocks into those between two changes of the grid."""
    levels: list[list[tuple[int, bool]]] = [[]]
    for block in blocks:
        if block == RESAMPLING:
            levels.append([])
        elif block != NORM:
            levels[-1].append(block)
    return levels


def _counts(levels: Iterable[Sequence[tuple[int, bool]]], middle: int) -> int | list[int]:
    """Count the residual blocks of each level, without those that change the channels.

    Returns:
        One number where all levels have the same.
    """
    *counts, last = (sum(not changes for _, changes in level) for level in levels)
    counts.append(last - middle)
    return counts[0] if len(set(counts)) == 1 else counts
