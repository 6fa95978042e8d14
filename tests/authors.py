"""Small models of random weights in the layouts of their authors and of diffusers."""

from collections.abc import Sequence

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from torch import Tensor, nn


def randomized(model: nn.Module, seed: int = 0, std: float | None = None) -> nn.Module:
    """Draw all parameters anew, so that none is zero or one; matrices keep their scale."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = std or max(parameter[0].numel(), 1) ** -0.5
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(scale * noise + (parameter.ndim == 1 and std is None))
    return model.eval()


def autoencoder(
    levels: Sequence[int] = (32, 64),
    attention: Sequence[int] = (),
    channels: int = 3,
    latent: int = 4,
    codes: int | None = None,
    **options,
) -> AutoencoderKL | VQModel:
    """An autoencoder of diffusers with attention at these levels; with codes, a `VQModel`."""
    down = [f"{'Attn' if i in attention else ''}DownEncoderBlock2D" for i in range(len(levels))]
    up = [name.replace("Down", "Up").replace("Encoder", "Decoder") for name in reversed(down)]
    if codes is not None:
        options |= {"num_vq_embeddings": codes, "vq_embed_dim": latent}
    return (AutoencoderKL if codes is None else VQModel)(
        in_channels=channels,
        out_channels=channels,
        block_out_channels=list(levels),
        down_block_types=down,
        up_block_types=up,
        latent_channels=latent,
        **{"layers_per_block": 1, **options},
    )


def transformer(side: int = 4, classes: int = 10, **options) -> DiTTransformer2DModel:
    """A DiT of diffusers whose blocks share their embeddings, as all published ones do."""
    given = {
        "num_layers": 2,
        "attention_head_dim": 16,
        "patch_size": 1,
        "in_channels": 4,
        **options,
    }
    model = DiTTransformer2DModel(
        num_attention_heads=2,
        out_channels=2 * given["in_channels"],
        sample_size=side,
        num_embeds_ada_norm=classes,
        **given,
    )
    model = randomized(model, std=0.1)
    first, *others = (block.norm1.emb for block in model.transformer_blocks)
    for embedding in others:
        embedding.load_state_dict(first.state_dict())
    return model


def pipeline(**options) -> DiTPipeline:
    """A pipeline for the 8x8 digits."""
    vae = randomized(autoencoder(channels=1, scaling_factor=0.5))
    return DiTPipeline(transformer(**options), vae, DDIMScheduler(clip_sample=False))


def authors_names(model: AutoencoderKL | VQModel) -> dict[str, Tensor]:
    """The state of a model of diffusers under the names of CompVis and taming.

    Written down from the published description, block by block, not by the rules under test.
    """
    last = len(model.config.block_out_channels) - 1
    state: dict[str, Tensor] = {}

    def put(place: str, module: nn.Module | None) -> None:
        if module is not None:
            state.update({f"{place}.{key}": x for key, x in module.state_dict().items()})

    def residual(place: str, block: nn.Module) -> None:
        for name in ("norm1", "conv1", "norm2", "conv2"):
            put(f"{place}.{name}", getattr(block, name))
        put(f"{place}.nin_shortcut", block.conv_shortcut)

    def attention(place: str, block: nn.Module) -> None:
        put(f"{place}.norm", block.group_norm)
        layers = {"q": block.to_q, "k": block.to_k, "v": block.to_v, "proj_out": block.to_out[0]}
        for name, layer in layers.items():
            state[f"{place}.{name}.weight"] = layer.weight.data[:, :, None, None]
            state[f"{place}.{name}.bias"] = layer.bias.data

    def level(place: str, block: nn.Module) -> None:
        for j, one in enumerate(block.resnets):
            residual(f"{place}.block.{j}", one)
        for j, one in enumerate(getattr(block, "attentions", None) or ()):
            attention(f"{place}.attn.{j}", one)

    for side in ("encoder", "decoder"):
        net = getattr(model, side)
        put(f"{side}.conv_in", net.conv_in)
        residual(f"{side}.mid.block_1", net.mid_block.resnets[0])
        attention(f"{side}.mid.attn_1", net.mid_block.attentions[0])
        residual(f"{side}.mid.block_2", net.mid_block.resnets[1])
        put(f"{side}.norm_out", net.conv_norm_out)
        put(f"{side}.conv_out", net.conv_out)
    for i, block in enumerate(model.encoder.down_blocks):
        level(f"encoder.down.{i}", block)
        if block.downsamplers is not None:
            put(f"encoder.down.{i}.downsample.conv", block.downsamplers[0].conv)
    for i, block in enumerate(model.decoder.up_blocks):
        level(f"decoder.up.{last - i}", block)
        if block.upsamplers is not None:
            put(f"decoder.up.{last - i}.upsample.conv", block.upsamplers[0].conv)
    put("quant_conv", model.quant_conv)
    put("post_quant_conv", model.post_quant_conv)
    put("quantize.embedding", getattr(getattr(model, "quantize", None), "embedding", None))
    return state


def unet_authors_names(model: UNet2DModel | UNet2DConditionModel) -> dict[str, Tensor]:
    """The state of a U-Net of diffusers under the names of CompVis, in one list a side.

    Written down from the published description, block by block, not by the rules under test.
    """
    state: dict[str, Tensor] = {}

    def put(place: str, module: nn.Module | None) -> None:
        if module is not None:
            state.update({f"{place}.{key}": x for key, x in module.state_dict().items()})

    def residual(place: str, block: nn.Module) -> None:
        put(f"{place}.in_layers.0", block.norm1)
        put(f"{place}.in_layers.2", block.conv1)
        put(f"{place}.emb_layers.1", block.time_emb_proj)
        put(f"{place}.out_layers.0", block.norm2)
        put(f"{place}.out_layers.3", block.conv2)
        put(f"{place}.skip_connection", block.conv_shortcut)

    def attention(place: str, block: nn.Module) -> None:
        if hasattr(block, "transformer_blocks"):
            put(place, block)
            return
        put(f"{place}.norm", block.group_norm)
        for kind in ("weight", "bias"):
            parts = [getattr(block, f"to_{part}").state_dict()[kind] for part in "qkv"]
            heads = [part.chunk(block.heads) for part in parts]
            joined = torch.cat([part[i] for i in range(block.heads) for part in heads])
            out = block.to_out[0].state_dict()[kind]
            taps = (lambda x: x[..., None]) if kind == "weight" else (lambda x: x)
            state[f"{place}.qkv.{kind}"] = taps(joined)
            state[f"{place}.proj_out.{kind}"] = taps(out)

    def resampling(place: str, blocks: nn.ModuleList | None, name: str) -> bool:
        for block in blocks or ():
            if hasattr(block, "norm1"):
                residual(place, block)
            else:
                put(f"{place}.{name}", block.conv)
        return blocks is not None

    put("time_embed.0", model.time_embedding.linear_1)
    put("time_embed.2", model.time_embedding.linear_2)
    put("label_emb", model.class_embedding)
    put("input_blocks.0.0", model.conv_in)
    index = 1
    for block in model.down_blocks:
        attentions = getattr(block, "attentions", None)
        for j, one in enumerate(block.resnets):
            residual(f"input_blocks.{index}.0", one)
            if attentions is not None:
                attention(f"input_blocks.{index}.1", attentions[j])
            index += 1
        index += resampling(f"input_blocks.{index}.0", block.downsamplers, "op")
    residual("middle_block.0", model.mid_block.resnets[0])
    attention("middle_block.1", model.mid_block.attentions[0])
    residual("middle_block.2", model.mid_block.resnets[1])
    index = 0
    for block in model.up_blocks:
        attentions = getattr(block, "attentions", None)
        for j, one in enumerate(block.resnets):
            residual(f"output_blocks.{index}.0", one)
            if attentions is not None:
                attention(f"output_blocks.{index}.1", attentions[j])
            index += 1
        place = 1 if attentions is None else 2
        resampling(f"output_blocks.{index - 1}.{place}", block.upsamplers, "conv")
    put("out.0", model.conv_norm_out)
    put("out.2", model.conv_out)
    state = {f"model.diffusion_model.{key}": x for key, x in state.items()}
    classes = getattr(model, "encoder_hid_proj", None)
    if classes is not None:  # of vectors of one one: a table of classes, which stands beside it
        state["cond_stage_model.embedding.weight"] = classes.weight.data.mT
    return state


def unet(
    levels: Sequence[int] = (32, 64),
    attention: Sequence[int] = (0, 1),
    head_width: int = 8,
    context: int | None = None,
    channels: int = 4,
    **options,
) -> UNet2DModel | UNet2DConditionModel:
    """A U-Net of diffusers with attention at these levels; with a context, a conditional one."""
    kind = "Attn" if context is None else "CrossAttn"
    down = [f"{kind if i in attention else ''}DownBlock2D" for i in range(len(levels))]
    if context is not None:
        options["cross_attention_dim"] = context
        head_width = options.pop("heads", [width // head_width for width in levels])
    return (UNet2DModel if context is None else UNet2DConditionModel)(
        in_channels=channels,
        block_out_channels=list(levels),
        down_block_types=down,
        up_block_types=[name.replace("Down", "Up") for name in reversed(down)],
        attention_head_dim=head_width,
        **{"out_channels": 4, "layers_per_block": 1, "sample_size": 8, **options},
    )


WORDS = ["<pad>", "<bos>", "!", "a", "digit", "seven", "the", "three", "<eos>"]
"""Those that `write_tokenizer` knows, by their numbers."""


def write_tokenizer(path, **options):
    """Write a tokenizer of a few words to a folder, as transformers does."""
    import tokenizers
    import transformers

    words = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="!")
    )
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 8)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="!",
        **options,
    ).save_pretrained(path)
