"""DINOv2's weights as the library transformers has them, under the authors' names."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ldm.hub.names import Rules, inverse, rename
from ldm.hub.pretrained import reading

__all__ = ["dinov2_from_transformers", "read_dinov2"]

RULES: Rules = (
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("cls_token", "embeddings.cls_token"),
    ("register_tokens", "embeddings.register_tokens"),
    ("mask_token", "embeddings.mask_token"),
    ("blocks.#", "encoder.layer.#"),
    ("attn.qkv", "attention.attention.query"),
    ("attn.proj", "attention.output.dense"),
    ("ls1.gamma", "layer_scale1.lambda1"),
    ("ls2.gamma", "layer_scale2.lambda1"),
    ("norm.weight", "layernorm.weight"),
    ("norm.bias", "layernorm.bias"),
)


NEWER: Rules = (
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
)
"""Names in files, and in the networks that version 5 of transformers builds of them."""


def dinov2_from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a `Dinov2Model` or `Dinov2WithRegistersModel`, and join its q, k, v.

    Raises:
        KeyError: a query has no key or value.
    """
    state = {rename(key, inverse(*NEWER)): value for key, value in state.items()}
    found = {}
    for key, value in state.items():
        if ".query." in key:
            others = (state[key.replace(".query.", f".{one}.")] for one in ("key", "value"))
            value = torch.cat([value, *others])
        if not (".key." in key or ".value." in key):
            found[rename(key, inverse(*RULES))] = value
    return found


def read_dinov2(model: str) -> dict[str, Tensor]:
    """Read weights through transformers.

    Args:
        model: folder of the files, or their name on the Hugging Face hub, such as
            `facebook/dinov2-with-registers-small`.

    Raises:
        BadCheckpoint: transformers is not installed; or the files are missing, damaged, cannot be
            downloaded, or are another network's.
    """
    with reading(model, "DINOv2") as (transformers, files):
        network = transformers.AutoModel.from_pretrained(files, dtype=torch.float32)
        return dinov2_from_transformers(network.state_dict())
