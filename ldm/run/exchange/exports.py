"""Exporting the parts of a run to the layouts of others."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from data.files.whole import write_whole
from ldm.bottlenecks import GroupedSphericalQuantizer
from ldm.config.compose import ConfigError
from ldm.hub.compvis import autoencoder_to_compvis
from ldm.hub.edm import edm_to_published
from ldm.hub.gsq import gsq_sizes, gsq_to_authors
from ldm.hub.layouts import EDM
from ldm.hub.lfdm import lfdm_to_authors
from ldm.hub.lvdm import lvdm_to_authors
from ldm.hub.pvdm import pvdm_to_authors
from ldm.hub.unet import unet_to_compvis
from ldm.hub.wf_vae import wf_vae_to_authors
from ldm.networks.images.dit import DiT
from ldm.networks.images.gsq import Decoder as GSQDecoder
from ldm.networks.images.gsq import Encoder as GSQEncoder
from ldm.networks.images.lightningdit import LightningDiT
from ldm.networks.images.unet import UNet
from ldm.networks.molecules.egnn_denoiser import EGNNDenoiser
from ldm.networks.videos.haar import SCALES
from ldm.networks.videos.lfdm.unet import FlowUNet
from ldm.networks.videos.lvdm.unet import SpaceTimeUNet
from ldm.networks.videos.triplane import TriplaneUNet
from ldm.networks.videos.wf_vae import Encoder as WFEncoder
from ldm.objectives import Regression
from ldm.processes import GaussianDiffusion, LinearFlow
from ldm.run.exchange.to_diffusers import (
    network_of,
    to_autoencoder,
    to_network,
    to_pipeline,
    tokenizer_sizes,
)
from ldm.run.parts import Parts
from ldm.tokenizers import Tokenizer

__all__ = ["export_weights"]

LEARNED = {
    "dit": (DiT, GaussianDiffusion, ("eps",)),
    "sit": (DiT, LinearFlow, ("velocity",)),
    "lightningdit": (LightningDiT, LinearFlow, ("velocity",)),
    "ldm": (UNet, GaussianDiffusion, ("eps", "v")),
    "pvdm": (TriplaneUNet, GaussianDiffusion, ("eps",)),
    "lvdm": (SpaceTimeUNet, GaussianDiffusion, ("eps",)),
    "lfdm": (FlowUNet, GaussianDiffusion, ("eps",)),
}
"""Network, process and targets of the priors that a layout is for."""

CONVERTED = {
    "ldm": unet_to_compvis,
    "pvdm": pvdm_to_authors,
    "lvdm": lvdm_to_authors,
    "lfdm": lfdm_to_authors,
}
"""How networks are renamed whose authors have other names."""

WITHOUT = {
    "pvdm": ("classes", "without classes"),
    "lvdm": ("told", "without texts"),
    "lfdm": ("nearest", "with upsampling=deconvolution"),
}
"""Features that a network must not have for a layout, by its attribute and in words."""


def export_weights(
    parts: Parts, layout: str, folder: str | Path, stage: str | None = None
) -> list[str]:
    """Write models of a run to a folder, in the layout of others.

    Args:
        parts: of the run.
        layout: see `ldm.hub.layouts.LAYOUTS`. In that of diffusers, a tokenizer and a prior become
            a pipeline, and each alone a model; the other layouts hold one model each, in
            `model.safetensors`.
        folder: to write; new or empty.
        stage: the model to export; None for what the layout holds.

    Returns:
        What was done, a line each.

    Raises:
        ConfigError: the layout has no place for such a model, or the folder is not empty.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder: choose another output=...")
    if stage is not None and stage not in parts.models:
        raise ConfigError(f"no stage {stage}: choose from {', '.join(parts.models)}")
    return WRITERS.get(layout, _write_one)(parts, layout, folder, stage)


def _write_one(parts: Parts, layout: str, folder: Path, stage: str | None) -> list[str]:
    """Write one model as its authors do."""
    model = parts.models[stage] if stage else _model(parts, layout)
    state, said = _state(model, layout)
    path = folder / "model.safetensors"
    write_whole(path, lambda temporary: save_file(state, temporary, {"format": "pt"}))
    return [*said, f"{path}: {len(state)} tensors"]


def _write_diffusers(parts: Parts, layout: str, folder: Path, stage: str | None) -> list[str]:
    """Write a pipeline, or one model, as diffusers does."""
    if stage is None and parts.prior is not None:
        export, said = to_pipeline(parts)
        if isinstance(export, dict):
            for name, model in export.items():
                model.save_pretrained(folder / name)
            return [*said, f"{folder}: {', '.join(export)} of diffusers"]
    elif stage is None or isinstance(parts.models[stage], Tokenizer):
        export, said = to_autoencoder(parts.models[stage] if stage else parts.tokenizer, False), []
    else:
        export, _, said = to_network(parts, stage)
    export.save_pretrained(folder)
    return [*said, f"{folder}: {type(export).__name__} of diffusers"]


def _write_edm(parts: Parts, layout: str, folder: Path, stage: str | None) -> list[str]:
    """Write EDM's prior, or GeoLDM's tokenizer and prior, as their authors do."""
    prior, tokenizer = parts.prior, parts.tokenizer
    backbone = getattr(prior, "backbone", None)
    if not isinstance(backbone, EGNNDenoiser) or not isinstance(prior.process, GaussianDiffusion):
        raise ConfigError("edm is the layout of an EGNNDenoiser of a GaussianDiffusion")
    if not isinstance(prior.objective, Regression) or prior.objective.target != "eps":
        raise ConfigError("edm is the layout of a network that predicts eps")
    stages = {"prior": backbone.state_dict()}
    if tokenizer.learned:
        stages["tokenizer"] = tokenizer.state_dict()
    alpha_bar = prior.process.alpha_bar
    state = edm_to_published(stages, torch.log((1 - alpha_bar) / alpha_bar))
    path = folder / EDM
    write_whole(path, lambda temporary: torch.save(state, temporary))
    return [f"{path}: {len(state)} tensors"]


WRITERS = {"diffusers": _write_diffusers, "edm": _write_edm}
"""How models are written in layouts that hold more than one."""


def _model(parts: Parts, layout: str) -> nn.Module:
    if layout not in LEARNED:
        return parts.tokenizer
    if parts.prior is None:
        raise ConfigError(f"{parts.config.run} has no trained prior for the layout {layout}")
    return parts.prior


def _state(model: nn.Module, layout: str) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of a model in the layout of its authors, and what has no place there."""
    if layout in LEARNED:
        kind, process, targets = LEARNED[layout]
        backbone = network_of(model, (kind,), layout)
        if not isinstance(model.process, process) or model.objective.target not in targets:
            raise ConfigError(
                f"{layout} is a network of a {process.__name__} that predicts "
                f"{' or '.join(targets)}"
            )
        if layout in CONVERTED:
            attribute, words = WITHOUT.get(layout, ("", ""))
            if getattr(backbone, attribute, False):
                raise ConfigError(f"{layout} is the layout of a network {words}")
            state = CONVERTED[layout](backbone.state_dict())
            return {key: x.contiguous() for key, x in state.items()}, []
        if backbone.frequency_shift or backbone.norm_eps != 1e-6:
            raise ConfigError(
                "this DiT has the time embedding and norm of diffusers: export it --as diffusers"
            )
        return {k: x.contiguous() for k, x in backbone.state_dict().items()}, []
    state = TOKENIZERS[layout](model) if layout in TOKENIZERS else _compvis(model, layout)
    numbers = f"latents_mean={model.mean.tolist()} latents_std={model.std.tolist()}"
    said = [f"not in this layout: {numbers}".replace(", ", ",")] if model.measured else []
    return {key: x.contiguous() for key, x in state.items()}, said


def _gsq(model: nn.Module) -> dict[str, Tensor]:
    parts = (getattr(model, name, None) for name in ("encoder", "decoder", "bottleneck"))
    kinds = GSQEncoder, GSQDecoder, GroupedSphericalQuantizer
    if not all(isinstance(part, kind) for part, kind in zip(parts, kinds, strict=True)):
        raise ConfigError("gsq is the layout of a GroupedSphericalQuantizer of gsq networks")
    try:
        gsq_sizes(model.state_dict())
    except ValueError as error:
        raise ConfigError(f"gsq has no place for such networks: {error}") from error
    return gsq_to_authors(model.state_dict())


def _wf_vae(model: nn.Module) -> dict[str, Tensor]:
    encoder = getattr(model, "encoder", None)
    if not isinstance(encoder, WFEncoder):
        raise ConfigError("wf_vae is the layout of a WaveletTokenizer")
    if encoder.norm != "layer" or encoder.scale != SCALES["published"]:
        raise ConfigError("wf_vae is the layout of networks with norm=layer and haar=published")
    return wf_vae_to_authors(model.state_dict())


TOKENIZERS = {"gsq": _gsq, "wf_vae": _wf_vae}
"""Functions that make the tensors of a layout of a tokenizer, but for those of CompVis."""


def _compvis(model: nn.Module, layout: str) -> dict[str, Tensor]:
    """State of a tokenizer in the layout of CompVis or taming."""
    sizes = tokenizer_sizes(model)
    if layout == "taming" and "bottleneck.codes" not in sizes:
        raise ConfigError("taming has no Gaussian bottleneck: export it --as compvis")
    return autoencoder_to_compvis(model.state_dict())
