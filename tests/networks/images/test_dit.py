"""Published sizes on the meta device, initial outputs, and symmetries of attention."""

import math

import pytest
import torch
from torch import nn

from ldm.networks.embedders import TimestepEmbedder
from ldm.networks.images.dit import DiT
from ldm.networks.images.patches import position_embedding

PUBLISHED = {
    "S": (32_963_360, 32_945_024, 33_148_160),
    "B": (130_512_416, 130_475_648, 130_881_536),
    "L": (458_102_816, 458_053_760, 458_594_816),
    "XL": (675_129_632, 675_074_432, 675_683_072),
}


def small(**changes) -> DiT:
    """A double-precision network with random weights, since a new one is the identity."""
    torch.manual_seed(0)
    shape = {"shape": [3, 8, 8], "width": 32, "depth": 2, "heads": 4, "classes": 5}
    dit = DiT(**shape | changes).double()
    for parameter in dit.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.2)
    return dit


def inputs(n: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = torch.randn(n, 3, 8, 8, dtype=torch.float64)
    return x, torch.rand(n, dtype=torch.float64) * 999, torch.arange(n) % 6


@pytest.mark.parametrize("size", PUBLISHED)
def test_parameter_counts(size):
    with torch.device("meta"):
        counts = [
            sum(p.numel() for p in DiT.sized(f"{size}/{patch}").parameters()) for patch in (2, 4, 8)
        ]
    assert tuple(counts) == PUBLISHED[size]


def test_parameters_are_named_as_published():
    names = {name.replace("blocks.1.", "blocks.0.") for name in small().state_dict()}
    blocks = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2", "adaLN_modulation.1")
    layers = ["x_embedder.proj", "t_embedder.mlp.0", "t_embedder.mlp.2", "final_layer.linear"]
    layers += ["final_layer.adaLN_modulation.1", *(f"blocks.0.{name}" for name in blocks)]
    expected = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert names == expected | {"pos_embed", "y_embedder.embedding_table.weight"}


def test_a_new_network_gives_zero_and_its_blocks_the_identity():
    dit = DiT([3, 8, 8], width=32, depth=2, heads=4, classes=5).double()
    x, t, label = inputs()
    assert torch.equal(dit(x, t, label), torch.zeros(3, 6, 8, 8, dtype=torch.float64))
    tokens, condition = torch.randn(3, 16, 32).double(), torch.randn(3, 32).double()
    assert torch.equal(dit.blocks[0](tokens, condition), tokens)


def test_a_block_computes_its_published_equation():
    dit = small()
    block = dit.blocks[0]
    x, condition = torch.randn(2, 16, 32).double(), torch.randn(2, 32).double()
    parts = block.adaLN_modulation[1](condition * condition.sigmoid())[:, None]
    shift1, scale1, gate1, shift2, scale2, gate2 = parts.chunk(6, 2)

    def norm(h):
        return (h - h.mean(2, keepdim=True)) / (
            h.var(2, unbiased=False, keepdim=True) + 1e-6
        ).sqrt()

    oracle = nn.MultiheadAttention(32, 4, batch_first=True).double()
    oracle.in_proj_weight, oracle.in_proj_bias = block.attn.qkv.weight, block.attn.qkv.bias
    oracle.out_proj = block.attn.proj
    h = norm(x) * (1 + scale1) + shift1
    y = x + gate1 * oracle(h, h, h, need_weights=False)[0]
    first = block.mlp.fc1
    h = nn.functional.linear(norm(y) * (1 + scale2) + shift2, first.weight, first.bias)
    h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
    torch.testing.assert_close(block(x, condition), y + gate2 * block.mlp.fc2(h))


def test_permuting_patches_and_position_embeddings_permutes_the_output():
    dit = small()
    x, t, label = inputs()
    expected = dit(x, t, label)
    order = torch.randperm(16)

    def permute(image):
        cut = image.unfold(2, 2, 2).unfold(3, 2, 2).flatten(2, 3)[:, :, order]
        cut = cut.unflatten(2, (4, 4)).permute(0, 1, 2, 4, 3, 5)
        return cut.reshape(image.shape)

    dit.pos_embed.data = dit.pos_embed[:, order]
    torch.testing.assert_close(dit(permute(x), t, label), permute(expected))


def test_position_embeddings_hold_the_column_first_then_the_row():
    width, (row, column) = 16, (2, 5)
    waves = []
    for place in (column, row):
        angles = [place * 10_000 ** -(k / 4) for k in range(4)]
        waves += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
    embedding = position_embedding([4, 6], width)
    torch.testing.assert_close(embedding[0, 6 * row + column], torch.tensor(waves))


def test_half_precision_networks_embed_times_in_single_precision():
    embedder = TimestepEmbedder(8)
    expected = embedder(torch.tensor([0.25, 998.7]))
    got = embedder.bfloat16()(torch.tensor([0.25, 998.7]))
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), expected, atol=0.02, rtol=0.02)


def test_omitting_labels_equals_passing_the_null_label():
    dit = small()
    x, t, _ = inputs()
    assert torch.equal(dit(x, t), dit(x, t, torch.full((3,), 5)))
    assert not torch.equal(dit(x, t), dit(x, t, torch.full((3,), 4)))


def test_a_network_without_classes_has_no_table():
    dit = small(classes=0, learn_sigma=False, shape=[3, 4, 8])
    x, t, label = inputs()
    assert not any(name.startswith("y_embedder") for name, _ in dit.named_parameters())
    assert dit(x[:, :, :4], t).shape == (3, 3, 4, 8)
    with pytest.raises(ValueError, match="classes=0, found a label"):
        dit(x[:, :, :4], t, label)


def test_checkpointing_leaves_outputs_and_gradients_unchanged():
    dit = small()
    x, t, label = inputs()

    def run(checkpointing: bool) -> tuple[int, list[torch.Tensor]]:
        dit.checkpointing, kept = checkpointing, []
        with torch.autograd.graph.saved_tensors_hooks(lambda s: kept.append(s) or s, lambda s: s):
            loss = dit(x, t, label).square().mean()
        return len(kept), torch.autograd.grad(
            loss, [p for p in dit.parameters() if p.requires_grad]
        )

    (kept, plain), (less, recomputed) = run(False), run(True)
    assert less < kept
    for a, b in zip(plain, recomputed, strict=True):
        assert torch.equal(a, b)


def test_bfloat16_autocast_stays_near_single_precision():
    dit = small().float()
    x, t, label = inputs()
    expected = dit(x.float(), t, label)
    with torch.autocast("cpu", torch.bfloat16):
        got = dit(x.float(), t, label)
    assert (got - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": [3, 9, 9]}, "patches of side 2 do not tile"),
        ({"width": 30}, "multiple of 4 and of 4 heads, found 30"),
    ],
)
def test_inconsistent_shapes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


def test_unknown_size_names_and_inputs_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"S, B, L, XL, then /patch.*found 'H/2'"):
        DiT.sized("H/2")
    x, t, label = inputs()
    with pytest.raises(ValueError, match=r"built for latents of \(3, 8, 8\), found \(3, 4, 4\)"):
        small()(x[:, :, :4, :4], t, label)
