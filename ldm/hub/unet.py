"""Convert state dicts of the U-Net to and from CompVis and diffusers.

Names and shapes change, values never. Latent diffusion and Stable Diffusion number all blocks of
one side of the network in one list, and diffusers those of each level. Source: Rombach et al. 2022.
"""

import re
from collections.abc import Container, Iterable, Mapping

import torch
from torch import Tensor

from ldm.hub.names import Rules, inverse, rename

__all__ = [
    "LDM",
    "NETWORK",
    "unet_from_compvis",
    "unet_from_diffusers",
    "unet_to_compvis",
    "unet_to_diffusers",
]

TRANSFORMER: Rules = (  # CompVis and diffusers name these alike
    ("layers.#.pixels.norm.", "transformer_blocks.#.norm1."),
    ("layers.#.sequence.norm.", "transformer_blocks.#.norm2."),
    ("layers.#.mlp.norm.", "transformer_blocks.#.norm3."),
    ("layers.#.mlp.gate.", "transformer_blocks.#.ff.net.0."),
    ("layers.#.mlp.out.", "transformer_blocks.#.ff.net.2."),
    ("layers.#.pixels.", "transformer_blocks.#.attn1."),
    ("layers.#.sequence.", "transformer_blocks.#.attn2."),
    *((f"attn{i}.{ours}.", f"attn{i}.to_{ours}.") for i in (1, 2) for ours in "qkv"),
    *((f"attn{i}.proj.", f"attn{i}.to_out.0.") for i in (1, 2)),
)
DIFFUSERS: Rules = (
    *TRANSFORMER,
    ("t_embedder.mlp.0.", "time_embedding.linear_1."),
    ("t_embedder.mlp.2.", "time_embedding.linear_2."),
    ("y_embedder.embedding_table.", "class_embedding."),
    ("down.#.", "down_blocks.#."),
    ("up.#.", "up_blocks.#."),
    ("layers.#.residual.", "resnets.#."),
    ("layers.#.attention.", "attentions.#."),
    ("middle.#.residual.", "mid_block.resnets.#."),
    ("middle.#.attention.", "mid_block.attentions.#."),
    ("downsample.", "downsamplers.0."),
    ("upsample.", "upsamplers.0."),
    ("time.", "time_emb_proj."),
    ("skip.", "conv_shortcut."),
    ("norm_out.", "conv_norm_out."),
)
COMPVIS: Rules = (
    ("norm1.", "in_layers.0."),
    ("conv1.", "in_layers.2."),
    ("time.", "emb_layers.1."),
    ("norm2.", "out_layers.0."),
    ("conv2.", "out_layers.3."),
    ("skip.", "skip_connection."),
    *TRANSFORMER,
    ("t_embedder.mlp.#.", "time_embed.#."),
    ("y_embedder.embedding_table.", "label_emb."),
    ("conv_in.", "input_blocks.0.0."),
    ("middle.0.residual.", "middle_block.0."),
    ("middle.0.attention.", "middle_block.1."),
    ("middle.1.residual.", "middle_block.2."),
    ("norm_out.", "out.0."),
    ("conv_out.", "out.2."),
)
OURS = re.compile(r"(down|up)\.(\d+)\.(?:layers\.(\d+)\.(residual|attention)|\w+sample)\.(.*)")
THEIRS = re.compile(r"(input|output)_blocks\.(\d+)\.(\d)\.(.*)")
RESAMPLING = ("conv.", "norm1.", "conv1.", "time.", "norm2.", "conv2.")
QKV = "qkv.weight"
TABLE = "y_embedder.embedding_table.weight"
NETWORK = "model.diffusion_model."  # prefix of the network in the file of a whole latent diffusion
AVERAGED = "model_ema."  # prefix of its averaged weights, whose names have no dots
PROJECTION, BIAS = "encoder_hid_proj.weight", "encoder_hid_proj.bias"
CLASSES = "cond_stage_model.embedding.weight"  # the classes that pixels attend to, beside it
LDM = (NETWORK, AVERAGED, CLASSES)
"""Beginnings of the names that a whole latent diffusion has for its prior."""


def unet_from_diffusers(state: Mapping[str, Tensor], head_width: int) -> dict[str, Tensor]:
    """Convert a `UNet2DModel` or a `UNet2DConditionModel`.

    Args:
        state: of the model.
        head_width: channels of a head; read where pixels attend to one another alone.

    Raises:
        ValueError: it reads a sequence by another projection than a table of classes.
    """
    ours = {rename(key, inverse(*DIFFUSERS)): x for key, x in state.items()}
    if PROJECTION in ours:
        if ours.pop(BIAS).any():
            raise ValueError(f"{BIAS} is not zero, so what is projected is no class")
        ours[TABLE] = ours.pop(PROJECTION).mT
    for place in [key.removesuffix("to_q.weight") for key in ours if key.endswith("to_q.weight")]:
        for kind in ("weight", "bias"):
            parts = [ours.pop(f"{place}to_{part}.{kind}") for part in "qkv"]
            heads = len(parts[0]) // head_width
            # A head's queries, keys and values follow each other here.
            joined = torch.stack([part.unflatten(0, (heads, -1)) for part in parts], 1)
            ours[f"{place}qkv.{kind}"] = joined.flatten(0, 2)
            ours[f"{place}norm.{kind}"] = ours.pop(f"{place}group_norm.{kind}")
            ours[f"{place}proj_out.{kind}"] = ours.pop(f"{place}to_out.0.{kind}")
    return ours


def unet_to_diffusers(state: Mapping[str, Tensor], head_width: int) -> dict[str, Tensor]:
    """Convert a `UNet` to a `UNet2DModel` or, with a context, to a `UNet2DConditionModel`.

    A class that pixels attend to is a sequence of one vector there, one at the place of the class
    and zero elsewhere, which is projected to the context (`encoder_hid_proj`).
    """
    theirs = dict(state)
    if _class_in_context(state):
        table = theirs.pop(TABLE)
        theirs |= {PROJECTION: table.mT, BIAS: table.new_zeros(table.shape[1])}
    for place in _pixel_attention(state):
        for kind in ("weight", "bias"):
            joined = theirs.pop(f"{place}qkv.{kind}")
            heads = len(joined) // (3 * head_width)
            parts = joined.unflatten(0, (heads, 3, -1)).unbind(1)
            for part, piece in zip("qkv", parts, strict=True):
                theirs[f"{place}to_{part}.{kind}"] = piece.flatten(0, 1)
            theirs[f"{place}group_norm.{kind}"] = theirs.pop(f"{place}norm.{kind}")
            theirs[f"{place}to_out.0.{kind}"] = theirs.pop(f"{place}proj_out.{kind}")
    return {rename(key, DIFFUSERS): x for key, x in theirs.items()}


def unet_from_compvis(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' `UNetModel`, with the table of classes that pixels attend to.

    Args:
        state: of a whole latent diffusion, whose averaged weights are taken where it has them.
            Other parts, such as the first stage, are left out.

    Raises:
        ValueError: there is no such network in it.
    """
    theirs = {
        key.removeprefix(NETWORK): state.get(AVERAGED + key[len("model.") :].replace(".", ""), x)
        for key, x in state.items()
        if key.startswith(NETWORK)
    }
    if "input_blocks.0.0.weight" not in theirs:
        raise ValueError(
            f"there is no {NETWORK}input_blocks.0.0.weight, so this is no latent diffusion of "
            f"CompVis; it has {', '.join(list(state)[:3]) or 'nothing'}"
        )
    renamed = {rename(key, inverse(*COMPVIS)): x for key, x in theirs.items()}
    blocks = _their_blocks(renamed)
    ours = {_our_place(key, blocks): x for key, x in renamed.items()}
    for place in _pixel_attention(ours):  # convolutions there, of one tap
        for name in (f"{place}qkv.weight", f"{place}proj_out.weight"):
            ours[name] = ours[name].squeeze(2)
    return ours | ({TABLE: state[CLASSES]} if CLASSES in state else {})


def unet_to_compvis(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a `UNet` to the authors' names in a whole latent diffusion."""
    attention = _pixel_attention(state)
    vectors = {f"{place}{name}.weight" for place in attention for name in ("qkv", "proj_out")}
    blocks = len({key.split(".")[3] for key in state if key.startswith("down.0.layers.")})
    ends = tuple(f"up.{level}.layers.{blocks}.attention." for level in range(len(state)))
    attending = {key.split(".")[1] for key in state if key.startswith(ends)}
    theirs = {}
    for key, x in state.items():
        name = NETWORK + rename(_their_place(key, blocks, attending), COMPVIS)
        theirs[name] = x[..., None] if key in vectors else x
    if _class_in_context(state):
        theirs[CLASSES] = theirs.pop(f"{NETWORK}label_emb.weight")
    return theirs


def _class_in_context(state: Mapping[str, Tensor]) -> bool:
    """True if pixels attend to classes; others are added to the embedding of the time."""
    return TABLE in state and state[TABLE].shape[1] != len(state["t_embedder.mlp.2.bias"])


def _pixel_attention(state: Mapping[str, Tensor]) -> list[str]:
    """Places where pixels attend to one another alone."""
    return [key.removesuffix(QKV) for key in state if key.endswith(QKV)]


def _their_blocks(names: Iterable[str]) -> int:
    """Count the residual blocks of a level on the way down: the way up has one more."""
    found = [(int(one[2]), int(one[3]), one[4]) for one in map(THEIRS.match, names) if one]
    doubling = [k for k, place, rest in found if place and rest.startswith(RESAMPLING)]
    return min(doubling, default=max((k for k, _, _ in found), default=0))


def _our_place(key: str, blocks: int) -> str:
    """Number a layer of the authors' lists by its level."""
    found = THEIRS.match(key)
    if found is None:
        return key
    side, index, place, rest = found[1], int(found[2]), int(found[3]), found[4]
    level, layer = divmod(index - (side == "input"), blocks + 1)
    if side == "input" and layer == blocks:
        return f"down.{level}.downsample.{rest.replace('op.', 'conv.')}"
    if side == "output" and place and rest.startswith(RESAMPLING):
        return f"up.{level}.upsample.{rest}"
    side = {"input": "down", "output": "up"}[side]
    return f"{side}.{level}.layers.{layer}.{'attention' if place else 'residual'}.{rest}"


def _their_place(key: str, blocks: int, attending: Container[str]) -> str:
    """Number a layer of a level in the authors' list of its side."""
    found = OURS.match(key)
    if found is None:
        return key
    way, level, layer, part, rest = found.groups()
    index = int(level) * (blocks + 1) + int(layer or blocks)
    if way == "down" and part is None:
        return f"input_blocks.{index + 1}.0.{rest.replace('conv.', 'op.')}"
    place = {"residual": 0, "attention": 1, None: 1 + (level in attending)}[part]
    side, index = ("input", index + 1) if way == "down" else ("output", index)
    return f"{side}_blocks.{index}.{place}.{rest}"
