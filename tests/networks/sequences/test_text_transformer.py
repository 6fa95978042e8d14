"""The text encoder of latent diffusion, against diffusers' with the same weights."""

import pytest
import torch

from ldm.networks.images.unet import CaptionedUNet
from ldm.networks.sequences.text_transformer import TextTransformer

NAMES = {
    "norm": "self_attn_layer_norm",
    "proj": "self_attn.out_proj",
    "mlp.norm": "final_layer_norm",
    "mlp.fc1": "fc1",
    "mlp.fc2": "fc2",
}


def renamed(theirs):
    """Weights of diffusers' network under our names."""
    state = {
        "tokens.weight": theirs["embed_tokens.weight"],
        "places.weight": theirs["embed_positions.weight"],
        **{f"norm.{kind}": theirs[f"layer_norm.{kind}"] for kind in ("weight", "bias")},
    }
    for layer in range(2):
        parts = [theirs[f"layers.{layer}.self_attn.{x}_proj.weight"] for x in "qkv"]
        state[f"layers.{layer}.qkv.weight"] = torch.cat(parts)
        for own, their in NAMES.items():
            for kind in ("weight", "bias"):
                state[f"layers.{layer}.{own}.{kind}"] = theirs[f"layers.{layer}.{their}.{kind}"]
    return state


def test_states_are_those_of_diffusers():
    pytest.importorskip("transformers")
    from diffusers.pipelines.latent_diffusion import pipeline_latent_diffusion as theirs

    torch.manual_seed(0)
    sizes = {"vocab_size": 9, "max_position_embeddings": 6, "d_model": 12, "encoder_ffn_dim": 48}
    sizes |= {"encoder_layers": 2, "encoder_attention_heads": 2, "head_dim": 4}
    network = theirs.LDMBertModel(theirs.LDMBertConfig(**sizes)).eval().double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    ours = TextTransformer([6], 9, width=12, depth=2, heads=2, head_width=4).double()
    ours.load_state_dict(renamed(network.model.state_dict()))
    ids = torch.randint(9, (3, 6), dtype=torch.int32)
    with torch.no_grad():
        expected = network(ids.long()).last_hidden_state
    assert torch.allclose(ours(ids), expected, atol=1e-10)


def test_the_published_size_has_its_parameters():
    with torch.device("meta"):
        text = TextTransformer()
    # 1.45e9 with the U-Net's 872,300,484 and the table of logits that nothing reads.
    assert sum(p.numel() for p in text.parameters()) == 542_895_360


def test_a_u_net_and_its_text_encoder_are_trained_together():
    torch.manual_seed(0)
    text = TextTransformer([5], 9, width=8, depth=1, heads=2, head_width=4)
    net = CaptionedUNet(text, [5], shape=[4, 8, 8], width=32, multipliers=[1, 2], heads=2)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    ids = torch.tensor([[1, 2, 3, 0, 0], [1, 0, 0, 0, 0]], dtype=torch.int32)
    x, t = torch.randn(1, 4, 8, 8).expand(2, -1, -1, -1), torch.full((2,), 9.0)
    out = net(x, t, ids)
    assert (out[0] - out[1]).abs().max() > 1e-4
    out.square().sum().backward()
    assert text.tokens.weight.grad[:4].abs().amax(1).min() > 0
