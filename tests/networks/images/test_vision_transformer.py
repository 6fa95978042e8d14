"""DINOv2's network: torchvision's where both are the same, its tokens, and its authors' names."""

import pytest
import torch
from torch.testing import assert_close
from torchvision.models import VisionTransformer as Independent

from ldm.networks.images.vision_transformer import SIZES, VisionTransformer


def small(**options) -> VisionTransformer:
    torch.manual_seed(0)
    network = VisionTransformer(width=24, depth=2, heads=3, patch=4, grid=3, **options)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.double()


def images(*size: int) -> torch.Tensor:
    return torch.randn(2, 3, *size, dtype=torch.float64)


def test_without_scales_it_is_torchvisions_vision_transformer():
    own = small()
    for block in own.blocks:
        torch.nn.init.ones_(block.ls1.gamma)
        torch.nn.init.ones_(block.ls2.gamma)
    other = Independent(12, 4, 2, 3, 24, 96, num_classes=1).double()
    state = {
        "class_token": own.cls_token,
        "conv_proj.weight": own.patch_embed["proj"].weight,
        "conv_proj.bias": own.patch_embed["proj"].bias,
        "encoder.pos_embedding": own.pos_embed,
        "encoder.ln.weight": own.norm.weight,
        "encoder.ln.bias": own.norm.bias,
    }
    names = {
        "ln_1": "norm1",
        "ln_2": "norm2",
        "mlp.0": "mlp.fc1",
        "mlp.3": "mlp.fc2",
        "self_attention.out_proj": "attn.proj",
    }
    for k, block in enumerate(own.blocks):
        place = f"encoder.layers.encoder_layer_{k}"
        for theirs, ours in names.items():
            for kind in ("weight", "bias"):
                state[f"{place}.{theirs}.{kind}"] = block.get_parameter(f"{ours}.{kind}")
        state[f"{place}.self_attention.in_proj_weight"] = block.attn.qkv.weight
        state[f"{place}.self_attention.in_proj_bias"] = block.attn.qkv.bias
    heads = {k: v for k, v in other.state_dict().items() if k.startswith("heads")}
    other.load_state_dict(state | heads)
    x = images(12, 12)
    tokens = torch.cat([other.class_token.expand(2, -1, -1), other._process_input(x)], dim=1)
    assert_close(own.norm(own(x)[-1]), other.encoder(tokens))


def test_registers_have_no_position_and_follow_the_class_token():
    network = small(registers=4)
    first = network(images(12, 12))[0]
    assert first.shape == (2, 1 + 4 + 9, 24)
    assert_close(first[:, 1:5], network.register_tokens.expand(2, -1, -1))
    assert_close(first[:, :1], (network.cls_token + network.pos_embed[:, :1]).expand(2, -1, -1))


def test_positions_of_another_grid_are_interpolated():
    network = small()
    with torch.no_grad():
        network.pos_embed[:, 1:] = 0.5  # what is constant stays so
        network.patch_embed["proj"].weight.zero_()
    tokens = network(images(8, 20))[0]
    assert tokens.shape == (2, 1 + 2 * 5, 24)
    expected = network.patch_embed["proj"].bias + 0.5
    assert_close(tokens[:, 1:], expected.expand(2, 10, 24))


def test_without_registers_positions_are_sampled_as_their_authors_do():
    # What is linear nearly stays so: position j of h is at (j + 1/2) side / (h + 0.1) - 1/2.
    torch.manual_seed(0)
    network = VisionTransformer(width=6, depth=1, heads=1, patch=2, grid=12).double()
    ramp = torch.arange(12.0).double()
    with torch.no_grad():
        network.patch_embed["proj"].weight.zero_()
        network.patch_embed["proj"].bias.zero_()
        network.pos_embed[:, 1:] = ramp.repeat_interleave(12)[:, None]
    tokens = network(images(14, 14))[0][0, 1:, 0].reshape(7, 7)
    expected = (torch.arange(7.0).double() + 0.5) * 12 / 7.1 - 0.5
    assert_close(tokens[2:5, 3], expected[2:5], rtol=0, atol=0.05)


def test_published_names_and_sizes():
    with torch.device("meta"):
        network = VisionTransformer(**SIZES["S"], registers=4)
    state = network.state_dict()
    assert state["pos_embed"].shape == (1, 1 + 37**2, 384)
    assert state["patch_embed.proj.weight"].shape == (384, 3, 14, 14)
    for name in ("cls_token", "register_tokens", "norm.weight", "blocks.11.ls2.gamma"):
        assert name in state
    block = {name.removeprefix("blocks.3.") for name in state if name.startswith("blocks.3.")}
    layers = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    parts = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert block == parts | {"ls1.gamma", "ls2.gamma"}


def test_images_that_patches_do_not_tile_are_refused():
    with pytest.raises(ValueError, match=r"patches of side 4 do not tile images of \(8, 9\)"):
        small()(images(8, 9))
