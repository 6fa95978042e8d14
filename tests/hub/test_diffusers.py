"""Converted weights give diffusers' own numbers, and conversion there and back changes nothing."""

import pytest
import torch
from diffusers import AutoencoderKL, DiTTransformer2DModel
from torch import nn

from ldm.hub import diffusers as hub
from ldm.networks.images.compvis import Decoder, Encoder
from ldm.networks.images.dit import DiT


def pair(width, multipliers, attention_resolutions=(), latent=4) -> nn.ModuleDict:
    shape = {"multipliers": multipliers, "attention_resolutions": attention_resolutions}
    return nn.ModuleDict(
        {
            "encoder": Encoder(3, 2 * latent, width, resolution=32, **shape),
            "decoder": Decoder(latent, 3, width, resolution=32, **shape),
        }
    )


def official(width, multipliers, attention_levels=(), latent=4) -> AutoencoderKL:
    down = [
        "AttnDownEncoderBlock2D" if i in attention_levels else "DownEncoderBlock2D"
        for i in range(len(multipliers))
    ]
    up = [name.replace("Down", "Up").replace("Encoder", "Decoder") for name in reversed(down)]
    with torch.device("meta"):
        return AutoencoderKL(
            block_out_channels=[width * m for m in multipliers],
            down_block_types=down,
            up_block_types=up,
            layers_per_block=2,
            latent_channels=latent,
        )


@torch.no_grad()
def check_autoencoder(ours, theirs, image, atol):
    theirs.load_state_dict(hub.autoencoder_to_diffusers(ours.state_dict()), assign=True)
    moments = ours["encoder"](image)
    posterior = theirs.encode(image).latent_dist
    torch.testing.assert_close(moments, posterior.parameters, atol=atol, rtol=0)
    expected = theirs.decode(posterior.mean).sample
    torch.testing.assert_close(ours["decoder"](posterior.mean), expected, atol=atol, rtol=0)


def test_kl_f8_equals_autoencoder_kl_at_full_width():
    torch.manual_seed(0)
    ours, theirs = pair(128, [1, 2, 4, 4]), official(128, [1, 2, 4, 4])
    # Single precision is 2e-5 off by itself, where convolutions are by Winograd's transform.
    check_autoencoder(ours.double(), theirs, torch.randn(1, 3, 32, 32).double(), atol=1e-11)


@pytest.mark.parametrize(
    ("multipliers", "resolutions", "levels"),
    [([1, 2, 4, 4], [], []), ([1, 2, 2], [16, 8], [1, 2])],
    ids=["kl-f8", "attention"],
)
def test_narrow_autoencoders_agree_in_double_precision(multipliers, resolutions, levels):
    torch.manual_seed(1)
    ours = pair(32, multipliers, resolutions).double()
    image = torch.randn(2, 3, 16, 32, dtype=torch.float64)
    check_autoencoder(ours, official(32, multipliers, levels), image, atol=1e-12)


def test_autoencoder_conversion_is_undone_by_its_inverse():
    state = pair(32, [1, 2], [16]).state_dict()
    back = hub.autoencoder_from_diffusers(hub.autoencoder_to_diffusers(state))
    assert set(back) == set(state)
    for key, x in state.items():
        assert torch.equal(back[key], x), key


def test_the_old_names_of_attention_are_read():
    theirs = hub.autoencoder_to_diffusers(pair(32, [1, 2]).state_dict())
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    aged = {}
    for key, x in theirs.items():
        for new, name in old.items():
            key = key.replace(f".{new}.", f".{name}.")
        aged[key] = x
    assert set(aged) != set(theirs)
    got, expected = map(hub.autoencoder_from_diffusers, (aged, theirs))
    assert set(got) == set(expected)
    assert all(torch.equal(got[key], x) for key, x in expected.items())


class Waves(nn.Module):
    """The published timestep embedding; diffusers' own frequencies differ, in single precision."""

    def forward(self, t):
        angle = t[:, None] * 10_000 ** -(torch.arange(128, dtype=torch.float64) / 128)
        return torch.cat([angle.cos(), angle.sin()], 1)


@pytest.fixture
def dit() -> DiT:
    torch.manual_seed(2)
    dit = DiT([4, 8, 8], 2, width=48, depth=3, heads=4, classes=10).double()
    for parameter in dit.parameters():  # new ones are the identity, which would hide mistakes
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.2)
    return dit


@torch.no_grad()
def test_dit_equals_dit_transformer(dit):
    with torch.device("meta"):
        theirs = DiTTransformer2DModel(
            num_attention_heads=4,
            attention_head_dim=12,
            num_layers=3,
            sample_size=8,
            out_channels=8,
            num_embeds_ada_norm=10,
            norm_eps=1e-6,
        )
    theirs.load_state_dict(hub.dit_to_diffusers(dit.state_dict()), assign=True)
    theirs.pos_embed.pos_embed = dit.pos_embed.data  # not in its state, so still on meta
    for block in theirs.transformer_blocks:
        block.norm1.emb.time_proj = Waves()
    theirs.eval()
    x = torch.randn(3, 4, 8, 8, dtype=torch.float64)
    t, label = torch.tensor([0, 500, 999]), torch.tensor([0, 7, 10])
    expected = theirs(x, timestep=t, class_labels=label).sample
    torch.testing.assert_close(dit(x, t, label), expected, atol=1e-10, rtol=1e-10)


def test_our_places_are_those_of_diffusers():
    theirs = DiTTransformer2DModel(2, 24, num_layers=1, sample_size=8, num_embeds_ada_norm=2)
    ours = DiT([4, 8, 8], 2, width=48, depth=1, heads=2, classes=2)
    torch.testing.assert_close(ours.pos_embed.data, theirs.pos_embed.pos_embed)


def test_dit_conversion_is_undone_by_its_inverse(dit):
    state = dit.float().state_dict()
    back = hub.dit_from_diffusers(hub.dit_to_diffusers(state))
    assert set(back) == set(state) - {"pos_embed"}  # which follows from the grid
    for key, x in back.items():
        assert torch.equal(state[key], x), key


def test_blocks_that_embed_time_differently_are_refused(dit):
    theirs = hub.dit_to_diffusers(dit.state_dict())
    theirs["transformer_blocks.1.norm1.emb.timestep_embedder.linear_1.bias"] += 1
    with pytest.raises(ValueError, match=r"blocks\.1\..*differs.*blocks\.0\."):
        hub.dit_from_diffusers(theirs)
