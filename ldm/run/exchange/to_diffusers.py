"""Converting tokenizers and priors to models and pipelines of diffusers."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DiTPipeline,
    DiTTransformer2DModel,
    LDMPipeline,
    ModelMixin,
    SchedulerMixin,
    StableDiffusionPipeline,
    UNet2DModel,
    VQModel,
)
from torch import Tensor, nn

from ldm.bottlenecks import Gaussian, VectorQuantizer
from ldm.config.compose import ConfigError
from ldm.hub.diffusers import autoencoder_to_diffusers, dit_to_diffusers
from ldm.hub.sizes import RESOLUTION, autoencoder_sizes
from ldm.hub.timesteps import fitted
from ldm.networks.images.compvis import Decoder, Encoder
from ldm.networks.images.dit import DiT
from ldm.networks.images.unet import UNet
from ldm.objectives import LearnedVariance, Regression
from ldm.priors import Denoiser
from ldm.processes import GaussianDiffusion
from ldm.run.exchange.schedules import PREDICTIONS, to_scheduler
from ldm.run.exchange.stable_diffusion import clip_of, to_stable_diffusion
from ldm.run.exchange.unet_to_diffusers import to_unet
from ldm.run.parts import Parts
from ldm.samplers import DDPM
from ldm.tokenizers import Tokenizer

__all__ = ["network_of", "to_autoencoder", "to_network", "to_pipeline", "tokenizer_sizes"]

NO_CLASS = 1000  # the label that DiTPipeline takes for none


def network_of(prior: nn.Module, kinds: tuple[type[nn.Module], ...], layout: str) -> Any:
    """Return the network of a prior that is of one of these kinds.

    Raises:
        ConfigError: it is of none.
    """
    if not (
        isinstance(prior, Denoiser)
        and type(prior.backbone) in kinds
        and isinstance(prior.objective, Regression)
    ):
        names = " or ".join(f"a {kind.__name__}" for kind in kinds)
        raise ConfigError(f"{layout} has no place for such a model: it must be {names}")
    return prior.backbone


def tokenizer_sizes(model: nn.Module) -> dict[str, Any]:
    """Read the sizes of a tokenizer that others have a class for.

    Raises:
        ConfigError: they have none.
    """
    parts = (getattr(model, name, None) for name in ("encoder", "decoder", "bottleneck"))
    encoder, decoder, bottleneck = parts
    known = type(bottleneck) is Gaussian or (
        isinstance(bottleneck, VectorQuantizer) and not bottleneck.l2
    )
    if not (isinstance(encoder, Encoder) and isinstance(decoder, Decoder) and known):
        name = type(bottleneck).__name__ if bottleneck is not None else type(model).__name__
        raise ConfigError(
            f"others have no class for such a tokenizer ({name}): it must have compvis networks "
            f"and a Gaussian or a VectorQuantizer; export the prior alone with stage=prior"
        )
    return autoencoder_sizes(model.state_dict())


def to_autoencoder(tokenizer: Tokenizer, normalized: bool) -> AutoencoderKL | VQModel:
    """Convert a tokenizer to diffusers.

    Args:
        tokenizer: with `compvis` networks.
        normalized: latents must be normalised by the scaling factor alone, as pipelines do.

    Raises:
        ConfigError: diffusers has no class for it, or no place for its scale.
    """
    sizes = tokenizer_sizes(tokenizer)
    state = tokenizer.state_dict()
    plain = bool((tokenizer.mean == 0).all() and (tokenizer.std == tokenizer.std[0]).all())
    latent = sizes["bottleneck.shape"][0]
    options: dict[str, Any] = {"scaling_factor": None}  # never measured
    if tokenizer.measured and plain:
        options = {"scaling_factor": 1 / tokenizer.std[0].item()}
    elif "bottleneck.codes" in sizes and (normalized or tokenizer.measured):
        raise ConfigError(
            "diffusers' VQModel has one scale for all channels, and this tokenizer has a measured "
            "mean and deviation of each: train the prior on one that was imported with "
            "scaling_factor=..."
        )
    elif normalized:
        state, options = _normalizing(state), {"scaling_factor": 1.0}
    elif tokenizer.measured:
        numbers = {"latents_mean": tokenizer.mean.tolist(), "latents_std": tokenizer.std.tolist()}
        options = {"scaling_factor": 1.0, **numbers}
    kinds = [
        "Attn" if RESOLUTION // 2**i in sizes["encoder.attention_resolutions"] else ""
        for i in range(len(sizes["encoder.multipliers"]))
    ]
    options |= {
        "in_channels": sizes["channels"],
        "out_channels": len(state["decoder.conv_out.bias"]),
        "down_block_types": [f"{kind}DownEncoderBlock2D" for kind in kinds],
        "up_block_types": [f"{kind}UpDecoderBlock2D" for kind in reversed(kinds)],
        "block_out_channels": [sizes["encoder.width"] * m for m in sizes["encoder.multipliers"]],
        "layers_per_block": sizes["encoder.blocks"],
        "latent_channels": latent,
    }
    if "bottleneck.codes" in sizes:
        model = VQModel(num_vq_embeddings=sizes["bottleneck.codes"], vq_embed_dim=latent, **options)
    else:
        model = AutoencoderKL(**options)
    model.load_state_dict(autoencoder_to_diffusers(state))
    return model.eval()


def _normalizing(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Let the 1x1 convolutions around a Gaussian bottleneck normalise its latents, and undo it."""
    mean, std = state["mean"].double(), state["std"].double()
    scale = torch.cat([std, torch.ones_like(std)])  # of means, then of log variances
    shift = torch.cat([mean, 2 * std.log()])
    names = ["encoder.quant_conv", "decoder.post_quant_conv"]
    (read, written), (bias, last) = (
        [state[f"{name}.{part}"].double() for name in names] for part in ("weight", "bias")
    )
    changed = {
        "encoder.quant_conv.weight": read / scale[:, None, None, None],
        "encoder.quant_conv.bias": (bias - shift) / scale,
        "decoder.post_quant_conv.weight": written * std[:, None, None],
        "decoder.post_quant_conv.bias": last + written[:, :, 0, 0] @ mean,
    }
    return {**state, **{key: x.to(state[key]) for key, x in changed.items()}}


def to_network(parts: Parts, stage: str) -> tuple[ModelMixin, SchedulerMixin, list[str]]:
    """Convert a prior to diffusers: its network and its scheduler, and what to know of them.

    Raises:
        ConfigError: diffusers' network, or its pipeline, computes something else.
    """
    prior = parts.models[stage]
    backbone = network_of(prior, (DiT, UNet), "diffusers")
    scheduler = _scheduler(parts, prior)
    if isinstance(backbone, UNet):
        return to_unet(backbone), scheduler, []
    return _to_transformer(backbone, parts, prior, scheduler)


def _to_transformer(
    backbone: DiT, parts: Parts, prior: Denoiser, scheduler: SchedulerMixin
) -> tuple[DiTTransformer2DModel, SchedulerMixin, list[str]]:
    channels, *sides = backbone.shape
    width, hidden = backbone.t_embedder.mlp[2].out_features, backbone.blocks[0].mlp.fc1.out_features
    if len(set(sides)) != 1 or hidden != 4 * width or backbone.classes > NO_CLASS:
        raise ConfigError(
            f"diffusers' DiT has square latents, perceptrons 4 times as wide and {NO_CLASS} "
            f"classes or fewer, got latents of {sides}, {hidden / width:g} times, and "
            f"{backbone.classes}"
        )
    state, said = backbone.state_dict(), []
    if not backbone.frequency_shift:
        first = "t_embedder.mlp.0.weight"
        times = scheduler.timesteps
        try:
            state[first] = fitted(state[first], times, prior.process.steps)
        except ValueError as error:
            raise ConfigError(
                f"diffusers' DiT embeds time by other frequencies than the published ones, and "
                f"{error}: export with sampler.steps=50, or train with "
                f"+prior.backbone.frequency_shift=1"
            ) from error
        said.append(
            f"exact for num_inference_steps={parts.sampler.steps} and its divisors, close for "
            f"others: diffusers embeds time by other frequencies"
        )
    table = "y_embedder.embedding_table.weight"
    rows = state.get(table, torch.zeros(1, width))
    state[table] = torch.cat([rows[:-1], rows[-1:].expand(NO_CLASS + 1 - len(rows[:-1]), -1)])
    model = DiTTransformer2DModel(
        num_attention_heads=backbone.blocks[0].attn.heads,
        attention_head_dim=width // backbone.blocks[0].attn.heads,
        in_channels=channels,
        out_channels=len(state["final_layer.linear.bias"]) // backbone.patch**2,
        num_layers=len(backbone.blocks),
        sample_size=sides[0],
        patch_size=backbone.patch,
        num_embeds_ada_norm=NO_CLASS,
        norm_eps=backbone.norm_eps,
    )
    model.load_state_dict(dit_to_diffusers(state))
    return model.eval(), scheduler, said


def _scheduler(parts: Parts, prior: Denoiser) -> SchedulerMixin:
    """Build the scheduler of a prior's sampler for what its network predicts."""
    sampler, steps = parts.sampler, isinstance(prior.process, GaussianDiffusion)
    built = to_scheduler(sampler, prior.process) if steps else None
    if built is None or prior.objective.target not in PREDICTIONS:
        raise ConfigError(
            f"a pipeline needs a GaussianDiffusion and a scheduler of diffusers, got a "
            f"{type(prior.process).__name__} and a {type(sampler).__name__}: a flow is exported "
            f"--as sit"
        )
    if isinstance(prior.objective, LearnedVariance) and isinstance(sampler, DDPM):
        raise ConfigError(
            "DiTPipeline leaves out the variances that the network predicts: export with "
            "sampler=ddim"
        )
    if built.init_noise_sigma != 1:
        raise ConfigError(
            f"DiTPipeline does not scale its noise as a {type(built).__name__} wants it: export "
            f"with sampler=ddim"
        )
    changed = {
        "trained_betas": prior.process.betas.tolist(),
        "prediction_type": PREDICTIONS[prior.objective.target],
    }
    scheduler = type(built).from_config(built.config, **changed)
    scheduler.set_timesteps(sampler.steps)
    return scheduler


Pipeline = DiTPipeline | LDMPipeline | StableDiffusionPipeline


def to_pipeline(
    parts: Parts,
) -> tuple[Pipeline | dict[str, ModelMixin | SchedulerMixin], list[str]]:
    """Convert a tokenizer and a prior to a pipeline that draws the same samples.

    U-Nets that are told a class, or a text by another encoder than CLIP, have no pipeline in
    diffusers that needs nothing else, so their parts are returned by their names.

    Raises:
        ConfigError: see `to_network`, `to_autoencoder` and `to_stable_diffusion`.
        BadCheckpoint: files of the text encoder are missing or damaged.
    """
    network, scheduler, said = to_network(parts, parts.stage)
    vae = to_autoencoder(parts.tokenizer, normalized=True)
    steps, scale = parts.sampler.steps, parts.guidance.scale
    if parts.prior.process.steps % steps:
        said.append(f"diffusers spaces {steps} steps otherwise: choose a divisor for equal samples")
    if isinstance(network, UNet2DModel) and network.class_embedding is None:
        eta = getattr(parts.sampler, "eta", 0.0)
        said.append(f"draws as here with num_inference_steps={steps}, eta={eta:g}")
        return LDMPipeline(vae, network, scheduler), said
    said.append(f"draws as here with num_inference_steps={steps}, guidance_scale={scale:g}")
    if isinstance(network, DiTTransformer2DModel):
        return DiTPipeline(network, vae, scheduler), said
    if isinstance(vae, AutoencoderKL) and (clip := clip_of(parts.prior.conditioning)) is not None:
        return to_stable_diffusion(vae, network, scheduler, clip), said
    return {"vae": vae, "unet": network, "scheduler": scheduler}, said
