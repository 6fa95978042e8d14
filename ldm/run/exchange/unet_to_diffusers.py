"""Converting the U-Net of a prior to a model of diffusers."""

from typing import Any

from diffusers import UNet2DConditionModel, UNet2DModel

from ldm.config.compose import ConfigError
from ldm.hub.sizes import unet_sizes
from ldm.hub.unet import unet_to_diffusers
from ldm.networks.images.unet import UNet

__all__ = ["to_unet"]


def to_unet(backbone: UNet) -> UNet2DModel | UNet2DConditionModel:
    """Convert a U-Net; one whose pixels attend to a class or a text is conditional there.

    Raises:
        ConfigError: diffusers has no class for such a network.
    """
    channels, *sides = backbone.shape
    if len(set(sides)) != 1 or backbone.told["image"]:
        raise ConfigError(
            f"diffusers' U-Nets have square latents, and no image beside them "
            f"here: got latents of {sides}"
        )
    state = backbone.state_dict()
    sizes = unet_sizes(state)
    wide = [sizes["width"] * each for each in sizes["multipliers"]]
    options: dict[str, Any] = {
        "sample_size": sides[0],
        "in_channels": channels,
        "out_channels": channels,
        "block_out_channels": wide,
        "layers_per_block": sizes["blocks"],
        "resnet_time_scale_shift": "scale_shift" if sizes["scale_shift"] else "default",
    }
    if sizes["classes"] and not backbone.class_in_context:
        options["num_class_embeds"] = sizes["classes"] + 1
    conditional = "context" in sizes or "text" in sizes
    head_width = 1 if conditional else _head_width(backbone, sizes, wide)
    if conditional:
        model = UNet2DConditionModel(**options, **_conditional(backbone, sizes, wide))
    else:
        resampling = "resnet" if sizes["resample_blocks"] else "conv"
        model = UNet2DModel(
            **options,
            **_kinds("Attn", sizes),
            attention_head_dim=head_width,
            attn_norm_num_groups=32,
            downsample_type=resampling,
            upsample_type=resampling,
        )
    model.load_state_dict(unet_to_diffusers(state, head_width))
    return model.eval()


def _kinds(attention: str, sizes: dict[str, Any]) -> dict[str, list[str]]:
    """Name the blocks of each level, the finest first on the way down."""
    levels = range(len(sizes["multipliers"]))
    plain = "ResnetDownsampleBlock2D" if sizes["resample_blocks"] else "DownBlock2D"
    attending = f"{attention}DownBlock2D"
    down = [attending if 2**i in sizes["attention"] else plain for i in levels]
    up = [name.replace("Down", "Up") for name in reversed(down)]
    return {"down_block_types": down, "up_block_types": up}


def _conditional(backbone: UNet, sizes: dict[str, Any], wide: list[int]) -> dict[str, Any]:
    """Options of a conditional network beside those of all."""
    if sizes["resample_blocks"]:
        raise ConfigError("diffusers' conditional U-Nets resample by convolutions alone")
    options: dict[str, Any] = {
        **_kinds("CrossAttn", sizes),
        "cross_attention_dim": sizes.get("context") or sizes["text"],
        "attention_head_dim": [  # numbers of heads, in spite of the name
            backbone.style.heads or channels // backbone.style.head_width for channels in wide
        ],
        "transformer_layers_per_block": sizes["depth"],
        "use_linear_projection": sizes["linear"],
    }
    if backbone.class_in_context:
        options |= {"encoder_hid_dim": sizes["classes"] + 1, "encoder_hid_dim_type": "text_proj"}
    return options


def _head_width(backbone: UNet, sizes: dict[str, Any], wide: list[int]) -> int:
    """Width of all heads, where diffusers has one number for all levels."""
    if backbone.style.head_width:
        return backbone.style.head_width
    attending = {each for i, each in enumerate(wide) if 2**i in sizes["attention"]} | {wide[-1]}
    widths = {channels // backbone.style.heads for channels in attending}
    if len(widths) != 1:
        raise ConfigError(
            f"diffusers' UNet2DModel has heads of one width at all levels, and this network "
            f"{backbone.style.heads} heads of widths {sorted(widths)}: export it --as ldm"
        )
    return widths.pop()
