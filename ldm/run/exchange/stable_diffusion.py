"""Stable Diffusion's pipeline of diffusers, for U-Nets that are told a text by CLIP."""

import copy

from diffusers import AutoencoderKL, SchedulerMixin, StableDiffusionPipeline, UNet2DConditionModel

from ldm.conditioning import Conditioning, Text, TextEncoder
from ldm.config.compose import ConfigError

__all__ = ["clip_of", "to_stable_diffusion"]


def clip_of(conditioning: Conditioning | None) -> TextEncoder | None:
    """Find the CLIP whose embedded captions are all that a prior is told; None if it is told else.

    Raises:
        BadCheckpoint: files of the text encoder are missing or damaged.
    """
    told = {} if conditioning is None else conditioning.dropped
    text = told.get("text")
    if len(told) != 1 or not isinstance(text, Text) or text.encoder.masked:
        return None
    _, network = text.encoder.read()
    return text.encoder if network.config.model_type == "clip_text_model" else None


def to_stable_diffusion(
    vae: AutoencoderKL, unet: UNet2DConditionModel, scheduler: SchedulerMixin, clip: TextEncoder
) -> StableDiffusionPipeline:
    """Build a pipeline with the text encoder and its tokenizer, without a safety checker.

    Raises:
        ConfigError: the pipeline would draw otherwise.
    """
    if scheduler.config.get("timestep_spacing") == "leading" and scheduler.config.steps_offset != 1:
        raise ConfigError(
            "StableDiffusionPipeline sets the offset of steps to 1: export with sampler.offset=1, "
            "or with sampler.spacing=trailing"
        )
    tokenizer, network = clip.read()
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = clip.length
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=network,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
