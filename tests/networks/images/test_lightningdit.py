"""Published sizes on the meta device, rotary embedding, and the blocks against their equations."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from ldm.networks.images.lightningdit import LightningDiT
from ldm.networks.rotary import rotary_angles


def small(**changes) -> LightningDiT:
    """A double-precision network with random weights, since a new one is the identity."""
    torch.manual_seed(0)
    sizes = {"shape": [3, 4, 4], "width": 32, "depth": 2, "heads": 2, "classes": 5}
    dit = LightningDiT(**sizes | changes).double()
    for parameter in dit.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.2)
    return dit


def hidden_of(width: int) -> int:
    return int(2 / 3 * (4 * width))


@pytest.mark.parametrize("size", LightningDiT.sizes)
def test_parameter_counts(size):
    with torch.device("meta"):
        dit = LightningDiT.sized(f"{size}/1")
    found = sum(p.numel() for p in dit.parameters())
    depth, d = LightningDiT.sizes[size]["depth"], LightningDiT.sizes[size]["width"]
    hidden = hidden_of(d)
    block = 4 * d * d + 4 * d + 2 * d + 3 * d * hidden + 2 * hidden + d + 6 * d * d + 6 * d
    rest = 32 * d + d + 256 * d + d + d * d + d + 1001 * d + d + 32 * d + 32 + 2 * d * d + 2 * d
    assert found == depth * block + rest + 256 * d
    if size == "XL":
        assert hidden == 3072
        assert found == 675_256_736


def test_parameters_are_named_as_published():
    names = {name.replace("blocks.1.", "blocks.0.") for name in small(qk_norm=True).state_dict()}
    blocks = ("attn.qkv", "attn.proj", "mlp.w12", "mlp.w3", "adaLN_modulation.1")
    layers = ["x_embedder.proj", "t_embedder.mlp.0", "t_embedder.mlp.2", "final_layer.linear"]
    layers += ["final_layer.adaLN_modulation.1", *(f"blocks.0.{name}" for name in blocks)]
    norms = ["norm1", "norm2", "attn.q_norm", "attn.k_norm"]
    expected = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    expected |= {f"blocks.0.{norm}.weight" for norm in norms} | {"final_layer.norm_final.weight"}
    assert names == expected | {"pos_embed", "y_embedder.embedding_table.weight"}


def test_a_new_network_gives_zero_and_its_blocks_the_identity():
    dit = LightningDiT([3, 4, 4], width=32, depth=2, heads=2, classes=5)
    x, t = torch.randn(2, 3, 4, 4), torch.rand(2)
    assert torch.equal(dit(x, t, torch.tensor([1, 5])), torch.zeros(2, 3, 4, 4))
    tokens, condition = torch.randn(2, 16, 32), torch.randn(2, 32)
    assert torch.equal(dit.blocks[0](tokens, condition, dit.rotation(x.device)), tokens)


@pytest.mark.parametrize("qk_norm", [False, True])
def test_a_block_is_what_its_equations_say(qk_norm):
    block, (n, d, heads) = small(qk_norm=qk_norm).blocks[0], (16, 32, 2)
    x, c = torch.randn(3, n, d).double(), torch.randn(3, d).double()
    angle = rotary_angles([4, 4], d // heads)

    def norm(x, weight):
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight

    def turn(x):
        pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
        turns = torch.polar(torch.ones_like(angle), angle)[:, ::2]
        return torch.view_as_real(pairs * turns).flatten(-2)

    modulation = block.adaLN_modulation[1](F.silu(c))[:, None].chunk(6, 2)
    h = norm(x, block.norm1.weight) * (1 + modulation[1]) + modulation[0]
    q, k, v = block.attn.qkv(h).view(3, n, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    if qk_norm:
        q, k = norm(q, block.attn.q_norm.weight), norm(k, block.attn.k_norm.weight)
    weights = (turn(q) @ turn(k).mT / (d // heads) ** 0.5).softmax(3)
    y = x + modulation[2] * block.attn.proj((weights @ v).transpose(1, 2).flatten(2))
    h = norm(y, block.norm2.weight) * (1 + modulation[4]) + modulation[3]
    gate, value = block.mlp.w12(h).chunk(2, 2)
    y = y + modulation[5] * block.mlp.w3(gate * gate.sigmoid() * value)
    assert_close(block(x, c, torch.stack([angle.cos(), angle.sin()])), y)


def test_checkpointing_leaves_gradients_unchanged():
    dit = small().float()
    x, t = torch.randn(2, 3, 4, 4), torch.rand(2)

    def gradients(checkpointing):
        dit.checkpointing = checkpointing
        trained = [p for p in dit.parameters() if p.requires_grad]
        return torch.autograd.grad(dit(x, t).square().mean(), trained)

    assert all(map(torch.equal, gradients(False), gradients(True)))


def test_heads_that_cannot_be_turned_are_refused():
    with pytest.raises(ValueError, match="a head needs a multiple of 4 features, found 6"):
        small(width=24, heads=4)
    with pytest.raises(ValueError, match=r"B, L, XL, 1p0B, 1p6B, then /patch"):
        LightningDiT.sized("S/1")
