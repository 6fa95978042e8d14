"""The layouts in which others keep weights, read as what our configurations call them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ldm.hub.compvis import autoencoder_from_compvis
from ldm.hub.diffusers import autoencoder_from_diffusers, dit_from_diffusers
from ldm.hub.edm import SCHEDULE, edm_from_published
from ldm.hub.gsq import gsq_from_authors, gsq_sizes
from ldm.hub.lfdm import lfdm_from_authors
from ldm.hub.lvdm import lvdm_from_authors
from ldm.hub.published import PUBLISHED, fetch
from ldm.hub.pvdm import pvdm_from_authors
from ldm.hub.sizes import autoencoder_sizes, dit_sizes, unet_sizes
from ldm.hub.unet import LDM, unet_from_compvis, unet_from_diffusers
from ldm.hub.weights import BadCheckpoint, read_state
from ldm.hub.wf_vae import wf_vae_from_authors, wf_vae_sizes

__all__ = ["EDM", "LAYOUTS", "Found", "read_layout"]

LAYOUTS = (
    *("diffusers", "compvis", "taming", "gsq", "wf_vae"),
    *("ldm", "dit", "sit", "lightningdit", "pvdm", "lvdm", "lfdm", "edm"),
)
CLIPS = {"pvdm": pvdm_from_authors, "lvdm": lvdm_from_authors, "lfdm": lfdm_from_authors}
"""Layouts of priors of clips, whose files do not tell all sizes, and how they are converted."""
MODEL = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
CONFIG = "config.json"
ROTARY = "feat_rope."  # prefix of LightningDiT's tables of angles
EDM = "generative_model_ema.npy"  # a torch file, whatever its suffix
UNET = {
    "act_fn": "silu",
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "center_input_sample": False,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "time_embedding_type": "positional",
    "class_embed_type": None,
    "only_cross_attention": False,
    "dual_cross_attention": False,
    "addition_embed_type": None,
    "add_attention": True,
}
REQUIRED = {  # by class: what our networks do, and diffusers can be told not to do
    "AutoencoderKL": {"act_fn": "silu", "norm_num_groups": 32, "mid_block_add_attention": True},
    "VQModel": {
        "act_fn": "silu",
        "norm_num_groups": 32,
        "mid_block_add_attention": True,
        "norm_type": "group",
        "lookup_from_codebook": False,
    },
    "DiTTransformer2DModel": {
        "activation_fn": "gelu-approximate",
        "attention_bias": True,
        "norm_elementwise_affine": False,
        "norm_type": "ada_norm_zero",
    },
    "UNet2DModel": UNET,
    "UNet2DConditionModel": UNET,
}

TOKENIZERS = {
    "gsq": (gsq_from_authors, gsq_sizes),
    "wf_vae": (wf_vae_from_authors, wf_vae_sizes),
}
"""Functions that convert a file's tensors to a tokenizer's, and that read its sizes from them."""


@dataclass
class Found:
    """A model in a file or folder of others.

    Attributes:
        path: of the file.
        stage: `tokenizer` or `prior`.
        state: tensors under the names of our tokenizer, or of a prior's backbone.
        sizes: see `ldm.hub.sizes`; empty if the file does not tell them.
        group: name of the configuration of a prior of this layout.
        statistics: of the latents, as `statistics` reads them; empty if the file has none.
        unused: tensors of the file that the state is not made of.
        scheduler: file of a pipeline's scheduler.
        gamma: `log(sigma^2 / alpha^2)` at the times of the prior's process, where the file has it.
    """

    path: Path
    stage: str
    state: dict[str, Tensor]
    sizes: dict[str, Any]
    group: str = "dit"
    statistics: dict[str, Any] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    scheduler: Path | None = None
    gamma: Tensor | None = None


def read_layout(source: str, layout: str) -> list[Found]:
    """Read the models in a file, in a folder of diffusers, or under a published name.

    Args:
        source: a path, or a name in `PUBLISHED`.
        layout: one of `LAYOUTS`.

    Returns:
        One model; both, of a pipeline's folder or of GeoLDM.

    Raises:
        BadCheckpoint: not there, damaged, or not of this layout; or no configuration builds it.
    """
    path, published = Path(source), PUBLISHED.get(source)
    if layout == "edm":
        return _edm(path)
    if published is not None and not path.exists():
        path = fetch(source)
    pipeline = path.is_dir() and (path / "model_index.json").is_file()
    parts = _parts(path) if pipeline else [path]
    found = [_read(part, layout) for part in parts]
    if pipeline:
        found[1].scheduler = path / "scheduler" / "scheduler_config.json"
    if published is not None and published.std is not None:
        found[0].statistics = {"latents_mean": published.mean, "latents_std": published.std}
    return found


def _read(path: Path, layout: str) -> Found:
    config: dict[str, Any] = {}
    if path.is_dir():
        config = _config(path / CONFIG)
        path = next((path / name for name in MODEL if (path / name).is_file()), path / MODEL[0])
    state = read_state(path)
    try:
        if layout == "diffusers" and any(key.startswith("transformer_blocks.") for key in state):
            return _diffusers_dit(path, state, config)
        if layout == "ldm":
            return _ldm(path, state)
        if layout in CLIPS:
            return Found(path, "prior", CLIPS[layout](state), {})
        if layout in TOKENIZERS:
            convert, sizes = TOKENIZERS[layout]
            ours = convert(state)
            return Found(path, "tokenizer", ours, sizes(ours), unused=_unused(state, ours))
        if layout == "diffusers" and "time_embedding.linear_1.weight" in state:
            return _diffusers_unet(path, state, config)
        if layout in ("dit", "sit", "lightningdit"):
            return _transformer(path, state, layout)
        convert = autoencoder_from_diffusers if layout == "diffusers" else autoencoder_from_compvis
        ours = convert(state)
        unused = _unused(state, ours) if convert is autoencoder_from_compvis else []
        numbers = ("scaling_factor", "shift_factor", "latents_mean", "latents_std")
        given = {key: config[key] for key in numbers if config.get(key) is not None}
        sizes = autoencoder_sizes(ours)
        if layout == "taming" and "bottleneck.codes" in sizes:
            sizes["bottleneck.unquantized"] = False  # priors of taming learn codes
        return Found(path, "tokenizer", ours, sizes, statistics=given, unused=unused)
    except (LookupError, ValueError) as error:
        raise BadCheckpoint(f"{path} cannot be imported as {layout}: {error}") from error


def _unused(state: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that were not taken, where all that were are as they were."""
    used = {id(x) for x in ours.values()}
    return [key for key, x in state.items() if id(x) not in used]


def _transformer(path: Path, state: Mapping[str, Tensor], layout: str) -> Found:
    """A transformer under the names of its authors, which are ours.

    Tables of rotary embedding in the file follow from the sizes.
    """
    ours = {key: x for key, x in state.items() if not key.startswith(ROTARY)}
    sizes = dit_sizes(ours)
    if ("qk_norm" in sizes) != (layout == "lightningdit"):
        other = "LightningDiT" if "qk_norm" in sizes else "DiT or SiT"
        raise ValueError(f"this is a {other}: import it --as {other.split()[0].lower()}")
    unused = [key for key in state if key not in ours]
    return Found(path, "prior", ours, sizes, layout, unused=unused)


def _parts(pipeline: Path) -> list[Path]:
    """Folders of a pipeline's tokenizer and prior, which have different names in each."""
    names = ("vae", "vqvae"), ("transformer", "unet")
    return [
        next((pipeline / one for one in both if (pipeline / one).is_dir()), pipeline / both[0])
        for both in names
    ]


def _ldm(path: Path, state: Mapping[str, Tensor]) -> Found:
    ours = unet_from_compvis(state)
    unused = [key for key in state if not key.startswith(LDM)]
    return _unet(path, ours, unet_sizes(ours), unused)


def _diffusers_unet(path: Path, state: Mapping[str, Tensor], config: dict[str, Any]) -> Found:
    if not config:
        raise ValueError("it does not tell the heads of attention: give the folder, not the file")
    wide = config["block_out_channels"]
    heads, head_width = config["attention_head_dim"], None
    if config["_class_name"] == "UNet2DModel":  # which has the width of a head under this name
        heads, head_width = None, heads or wide[0]
    else:
        heads = config.get("num_attention_heads") or heads
        each = heads if isinstance(heads, list) else [heads] * len(wide)
        widths = {channels / n for channels, n in zip(wide, each, strict=True)}
        if len(set(each)) == 1:
            heads = each[0]
        elif len(widths) == 1:
            heads, head_width = None, int(widths.pop())
        else:
            raise ValueError(f"its levels of {wide} channels have {each} heads")
    ours = unet_from_diffusers(state, head_width or 1)
    return _unet(path, ours, unet_sizes(ours) | {"heads": heads, "head_width": head_width})


def _unet(
    path: Path, ours: dict[str, Tensor], sizes: dict[str, Any], unused: Sequence[str] = ()
) -> Found:
    group = "stable_diffusion" if "text" in sizes else "ldm"
    return Found(path, "prior", ours, sizes, group, unused=list(unused))


def _edm(path: Path) -> list[Found]:
    """EDM's prior, or GeoLDM's tokenizer and prior."""
    path = path / EDM if path.is_dir() else path
    state = read_state(path)
    try:
        stages = edm_from_published(state)
    except ValueError as error:
        raise BadCheckpoint(f"{path} cannot be imported as edm: {error}") from error
    found = [Found(path, stage, ours, {}) for stage, ours in stages.items()]
    found[-1].gamma = state[SCHEDULE]
    return found


def _diffusers_dit(path: Path, state: Mapping[str, Tensor], config: dict[str, Any]) -> Found:
    side, patch = config.get("sample_size"), config.get("patch_size")
    ours = dit_from_diffusers(state)
    table = "y_embedder.embedding_table.weight"
    ours[table] = _without_padding(ours[table])
    if len(ours[table]) == 1:  # not conditioned: what it adds is the same for all
        ours["t_embedder.mlp.2.bias"] = ours["t_embedder.mlp.2.bias"] + ours.pop(table)[0]
    sizes = dit_sizes(ours) | {"frequency_shift": 1, "norm_eps": config.get("norm_eps", 1e-5)}
    if config:
        sizes |= {"heads": config["num_attention_heads"], "tokens": (side // patch) ** 2}
    return Found(path, "prior", ours, sizes)


def _without_padding(table: Tensor) -> Tensor:
    """Cut a class table behind its last class, leaving one row for no class, the last.

    diffusers' pipeline takes class 1000 for none, so tables of fewer classes repeat that row.
    """
    different = (table != table[-1]).any(1).nonzero()
    classes = int(different[-1]) + 1 if len(different) else 0
    return torch.cat([table[:classes], table[-1:]])


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadCheckpoint(
            f"{path} cannot be read ({error}): give a folder that diffusers saved, or a file"
        ) from error
    name = config.get("_class_name")
    if name not in REQUIRED:
        raise BadCheckpoint(
            f"{path} is of a {name}: what can be imported are {', '.join(REQUIRED)}"
        )
    for key, needed in REQUIRED[name].items():
        if config.get(key, needed) != needed:
            raise BadCheckpoint(
                f"{path} has {key}={config[key]}, which no network here computes: it must be "
                f"{needed}"
            )
    return config
