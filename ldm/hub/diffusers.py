"""Convert state dicts to and from diffusers' autoencoders and `DiTTransformer2DModel`.

Names and shapes change, values never. Two numbers of diffusers differ from the published DiT, so
our DiT has them as options: the exponent of its timestep frequencies (`frequency_shift` 1,
published 0) and the epsilon of its second norm (`norm_eps` 1e-5, published 1e-6).
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ldm.hub.compvis import AROUND
from ldm.hub.names import Rules, inverse, rename

__all__ = [
    "autoencoder_from_diffusers",
    "autoencoder_to_diffusers",
    "dit_from_diffusers",
    "dit_to_diffusers",
]

AUTOENCODER: Rules = (
    *AROUND,
    ("down.#.", "down_blocks.#."),
    ("up.#.", "up_blocks.#."),
    ("downsample.", "downsamplers.0."),
    ("upsample.", "upsamplers.0."),
    ("block.#.", "resnets.#."),
    ("attn.#.", "attentions.#."),
    ("mid.block_1.", "mid_block.resnets.0."),
    ("mid.attn_1.", "mid_block.attentions.0."),
    ("mid.block_2.", "mid_block.resnets.1."),
    ("nin_shortcut.", "conv_shortcut."),
    ("norm_out.", "conv_norm_out."),
    ("attentions.#.norm.", "attentions.#.group_norm."),
    ("attentions.#.q.", "attentions.#.to_q."),
    ("attentions.#.k.", "attentions.#.to_k."),
    ("attentions.#.v.", "attentions.#.to_v."),
    ("attentions.#.proj_out.", "attentions.#.to_out.0."),
)
OLD_ATTENTION: Rules = (  # files written before diffusers 0.15, such as sd-vae-ft-mse
    ("to_q.", "query."),
    ("to_k.", "key."),
    ("to_v.", "value."),
    ("to_out.0.", "proj_attn."),
)
DIT: Rules = (
    ("x_embedder.", "pos_embed."),
    ("t_embedder.mlp.0.", "transformer_blocks.0.norm1.emb.timestep_embedder.linear_1."),
    ("t_embedder.mlp.2.", "transformer_blocks.0.norm1.emb.timestep_embedder.linear_2."),
    ("y_embedder.", "transformer_blocks.0.norm1.emb.class_embedder."),
    ("blocks.#.adaLN_modulation.1.", "transformer_blocks.#.norm1.linear."),
    ("blocks.#.attn.qkv.", "transformer_blocks.#.attn1.to_qkv."),
    ("blocks.#.attn.proj.", "transformer_blocks.#.attn1.to_out.0."),
    ("blocks.#.mlp.fc1.", "transformer_blocks.#.ff.net.0.proj."),
    ("blocks.#.mlp.fc2.", "transformer_blocks.#.ff.net.2."),
    ("final_layer.adaLN_modulation.1.", "proj_out_1."),
    ("final_layer.linear.", "proj_out_2."),
)
SHARED = re.compile(r"transformer_blocks\.(\d+)\.norm1\.emb\.")


def flip_levels(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Reverse the decoder's level numbers: 0 is the finest for us, the coarsest for diffusers."""
    level = re.compile(r"(?<=up_blocks\.)\d+")
    last = max((int(found[0]) for key in state if (found := level.search(key))), default=0)
    return {level.sub(lambda i: str(last - int(i[0])), key): x for key, x in state.items()}


def autoencoder_from_diffusers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert an `AutoencoderKL` or a `VQModel` to a tokenizer with `compvis` networks.

    Where the model has no 1x1 convolutions around its bottleneck, ours get the identity.

    Args:
        state: of the model; attention names may be those from before diffusers 0.15.

    Raises:
        ValueError: this is no such model.
    """
    rules = inverse(*AUTOENCODER, *OLD_ATTENTION)
    ours = {rename(key, rules): x for key, x in flip_levels(state).items()}
    # Attention is matrices there, and 1x1 convolutions here.
    ours = {
        key: x[..., None, None] if x.ndim == 2 and "attn" in key else x for key, x in ours.items()
    }
    for last, around in (
        ("encoder.conv_out.weight", "encoder.quant_conv"),
        ("decoder.conv_in.weight", "decoder.post_quant_conv"),
    ):
        if last not in ours:
            raise ValueError(f"there is no {last}, so this is no AutoencoderKL and no VQModel")
        channels = len(ours[last]) if around == "encoder.quant_conv" else ours[last].shape[1]
        if f"{around}.weight" not in ours:
            ours[f"{around}.weight"] = torch.eye(channels).to(ours[last])[..., None, None]
            ours[f"{around}.bias"] = torch.zeros(channels).to(ours[last])
    return ours


def autoencoder_to_diffusers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a tokenizer with `compvis` networks to an `AutoencoderKL` or a `VQModel`.

    The mean and standard deviation of latents go into the configuration of these.
    """
    networks = {key: x for key, x in state.items() if key not in ("mean", "std")}
    renamed = flip_levels({rename(key, AUTOENCODER): x for key, x in networks.items()})
    return {
        key: x[:, :, 0, 0] if ".attentions." in key and x.ndim == 4 else x
        for key, x in renamed.items()
    }


def dit_from_diffusers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a `DiTTransformer2DModel` to the state of a `ldm.networks.images.dit.DiT`.

    The fixed `pos_embed` of the tokens is in neither state: it follows from the grid.

    Raises:
        ValueError: blocks have different embeddings of time or class; a DiT shares one.
    """
    theirs = dict(state)
    for key, x in state.items():
        found = SHARED.match(key)
        if found and found[1] != "0":
            first = SHARED.sub("transformer_blocks.0.norm1.emb.", key)
            if not torch.equal(x, state[first]):
                raise ValueError(f"{key} differs from {first}: a DiT has one embedding for all")
            del theirs[key]
        elif key.endswith(("attn1.to_q.weight", "attn1.to_q.bias")):
            parts = [key.replace("to_q", part) for part in ("to_q", "to_k", "to_v")]
            theirs[key.replace("to_q", "to_qkv")] = torch.cat([theirs.pop(k) for k in parts])
    rules = inverse(*DIT)
    return {rename(key, rules): x for key, x in theirs.items()}


def dit_to_diffusers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a DiT to a `DiTTransformer2DModel`; each block gets a copy of the embeddings."""
    renamed = {rename(key, DIT): x for key, x in state.items() if key != "pos_embed"}
    depth = sum(key.endswith("norm1.linear.bias") for key in renamed)
    theirs = {}
    for key, x in renamed.items():
        if SHARED.match(key):
            for i in range(depth):
                theirs[SHARED.sub(f"transformer_blocks.{i}.norm1.emb.", key)] = x.clone()
        elif ".to_qkv." in key:
            for part, piece in zip(("to_q", "to_k", "to_v"), x.chunk(3), strict=True):
                theirs[key.replace("to_qkv", part)] = piece.clone()
        else:
            theirs[key] = x
    return theirs
