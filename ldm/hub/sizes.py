"""Sizes of networks, read from the shapes of their weights."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ldm.networks.images import dit, lightningdit

__all__ = ["autoencoder_sizes", "dit_sizes", "unet_sizes"]

RESOLUTION = 256
"""Side of the images for which the configurations name the grids that have attention."""


def autoencoder_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the sizes of a tokenizer with `compvis` networks.

    Args:
        state: under our names, see `ldm.hub.compvis`.

    Returns:
        Arguments by their keys in the configuration of a tokenizer, such as `encoder.width`, and
        `channels` of the images.

    Raises:
        ValueError: no configuration builds such networks.
    """
    encoder, decoder = _levels(state, "encoder.down"), _levels(state, "decoder.up")
    width, channels = state["encoder.conv_in.weight"].shape[:2]
    wide = [state[f"encoder.down.{i}.block.0.conv1.weight"].shape[0] for i in range(len(encoder))]
    latent = state["decoder.post_quant_conv.weight"].shape[1]
    features = state["encoder.quant_conv.weight"].shape[0]
    codebook = state.get("bottleneck.codebook")
    blocks = {blocks for blocks, _ in encoder}
    attention = [RESOLUTION // 2**i for i, (_, attention) in enumerate(encoder) if attention]
    if any(each % width for each in wide) or len(blocks) != 1:
        raise ValueError(f"levels of {wide} channels and {blocks} blocks are no multiples of one")
    if [(n - 1, attention) for n, attention in decoder] != encoder:
        raise ValueError("the decoder does not mirror the encoder's blocks and attention")
    if state["encoder.conv_out.weight"].shape[0] != features or len(
        state["decoder.conv_in.weight"][0]
    ) != len(state["decoder.post_quant_conv.weight"]):
        raise ValueError("the latents have other channels than the convolutions around them")
    if features != (2 * latent if codebook is None else latent):
        raise ValueError(f"{features} features do not make latents of {latent} channels")
    return {
        "encoder.width": width,
        "encoder.multipliers": [each // width for each in wide],
        "encoder.blocks": blocks.pop(),
        "encoder.attention_resolutions": attention,
        "encoder.resolution": RESOLUTION,
        "bottleneck.shape": [latent],
        **({} if codebook is None else {"bottleneck.codes": len(codebook)}),
        "channels": channels,
    }


def dit_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the sizes of a `ldm.networks.images.dit.DiT` or of a `LightningDiT`.

    Args:
        state: under our names; fixed places may be left out.

    Returns:
        Arguments of the network, without the number of heads where nothing tells it; and `tokens`,
        the number of places, where the file has them.

    Raises:
        ValueError: this is no DiT.
    """
    if "x_embedder.proj.weight" not in state:
        raise ValueError(f"there is no x_embedder.proj.weight, so this is no DiT: {_some(state)}")
    width, channels, patch, _ = state["x_embedder.proj.weight"].shape
    depth = 1 + max(_indices(state, "blocks"))
    values = len(state["final_layer.linear.bias"]) // patch**2
    table = state.get("y_embedder.embedding_table.weight")
    found = {
        "channels": channels,
        "patch": patch,
        "width": width,
        "depth": depth,
        "classes": 0 if table is None else len(table) - 1,
        "learn_sigma": values == 2 * channels,
    }
    published = dit.SIZES
    if "blocks.0.mlp.w12.bias" in state:
        published, norm = lightningdit.SIZES, state.get("blocks.0.attn.q_norm.weight")
        found["qk_norm"] = norm is not None
        if norm is not None:
            found["heads"] = width // len(norm)
    else:
        found["mlp_ratio"] = len(state["blocks.0.mlp.fc1.bias"]) / width
    for size in published.values():
        if (size["depth"], size["width"]) == (depth, width):
            found["heads"] = size["heads"]
    if "pos_embed" in state:
        found["tokens"] = state["pos_embed"].shape[1]
    return found


def unet_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the sizes of a `ldm.networks.images.unet.UNet`.

    Args:
        state: under our names.

    Returns:
        Arguments of `UNet`, without those of heads, which no shape tells; `channels` of latents;
        and `text`, the width of embedded texts, where the network attends to them.

    Raises:
        ValueError: this is no U-Net, or one that no configuration builds.
    """
    if "conv_in.weight" not in state or not _indices(state, "down"):
        raise ValueError(f"there is no conv_in.weight, so this is no U-Net: {_some(state)}")
    width, inputs = state["conv_in.weight"].shape[:2]
    channels, levels = len(state["conv_out.bias"]), range(1 + max(_indices(state, "down")))
    if inputs != channels:
        raise ValueError(f"it reads {inputs} channels of latents of {channels}, so an image, too")
    wide = [len(state[f"down.{i}.layers.0.residual.conv1.bias"]) for i in levels]
    table, attention = state.get("y_embedder.embedding_table.weight"), "middle.0.attention"
    found = {
        "channels": channels,
        "width": width,
        "multipliers": [each // width for each in wide],
        "blocks": len(_indices(state, "down.0.layers")),
        "attention": [2**i for i in levels if f"down.{i}.layers.0.attention.norm.weight" in state],
        "scale_shift": len(state["middle.0.residual.time.bias"]) == 2 * wide[-1],
        "resample_blocks": "down.0.downsample.conv1.weight" in state,
        "classes": 0 if table is None else len(table) - 1,
    }
    key = state.get(f"{attention}.layers.0.sequence.k.weight")
    if key is not None:
        found["depth"] = len(_indices(state, f"{attention}.layers"))
        found["linear"] = state[f"{attention}.proj_in.weight"].ndim == 2
        told = "text" if table is None or table.shape[1] != key.shape[1] else "context"
        found[told] = key.shape[1]
    return found


def _levels(state: Mapping[str, Tensor], place: str) -> list[tuple[int, bool]]:
    """Count the blocks of each level, and tell whether it has attention."""
    levels = _indices(state, place)
    if not levels:
        raise ValueError(f"there is no {place}.0: {_some(state)}")
    counts = [len(_indices(state, f"{place}.{i}.block")) for i in range(1 + max(levels))]
    return [(n, bool(_indices(state, f"{place}.{i}.attn"))) for i, n in enumerate(counts)]


def _indices(state: Mapping[str, Tensor], place: str) -> set[int]:
    found = (re.match(re.escape(place) + r"\.(\d+)\.", key) for key in state)
    return {int(one[1]) for one in found if one}


def _some(names: Iterable[str]) -> str:
    return f"it has {', '.join(list(names)[:3]) or 'nothing'}"
