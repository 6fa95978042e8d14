"""Sizes are those that the networks were built with, at every published size."""

import pytest
import torch
from authors import autoencoder, transformer
from diffusers import DiTTransformer2DModel

from ldm.config.compose import compose
from ldm.hub.diffusers import autoencoder_from_diffusers, dit_to_diffusers
from ldm.hub.sizes import autoencoder_sizes, dit_sizes
from ldm.networks.images.dit import SIZES, DiT
from ldm.networks.images.lightningdit import LightningDiT
from ldm.run.models import build_models
from ldm.run.parts import build_data

COUNTS = {  # of the paper's sheet, with fixed places, by patch side
    "S": {2: 32_963_360, 4: 32_945_024, 8: 33_148_160},
    "B": {2: 130_512_416, 4: 130_475_648, 8: 130_881_536},
    "L": {2: 458_102_816, 4: 458_053_760, 8: 458_594_816},
    "XL": {2: 675_129_632, 4: 675_074_432, 8: 675_683_072},
}


@pytest.mark.parametrize("patch", [2, 4, 8])
@pytest.mark.parametrize("size", SIZES)
def test_a_published_transformer_is_known_by_its_shapes(size, patch):
    with torch.device("meta"):
        state = DiT.sized(f"{size}/{patch}").state_dict()
    assert sum(x.numel() for x in state.values()) == COUNTS[size][patch]
    assert dit_sizes(state) == {
        **SIZES[size],
        "channels": 4,
        "patch": patch,
        "classes": 1000,
        "learn_sigma": True,
        "mlp_ratio": 4,
        "tokens": (32 // patch) ** 2,
    }


@pytest.mark.parametrize("size", LightningDiT.sizes)
def test_a_published_lightningdit_is_known_by_its_shapes(size):
    with torch.device("meta"):
        state = LightningDiT.sized(f"{size}/1", qk_norm=size == "1p0B").state_dict()
    rest = {"channels": 32, "patch": 1, "classes": 1000, "learn_sigma": False, "tokens": 256}
    expected = {**LightningDiT.sizes[size], **rest, "qk_norm": size == "1p0B"}
    assert dit_sizes(state) == expected


@pytest.mark.parametrize("size", SIZES)
def test_a_published_transformer_has_the_names_and_shapes_of_diffusers(size):
    sizes = SIZES[size]
    with torch.device("meta"):
        ours = DiT.sized(f"{size}/2").state_dict()
        theirs = DiTTransformer2DModel(
            num_attention_heads=sizes["heads"],
            attention_head_dim=sizes["width"] // sizes["heads"],
            num_layers=sizes["depth"],
            out_channels=8,
        ).state_dict()
    got = {key: x.shape for key, x in dit_to_diffusers(ours).items()}
    assert got == {key: x.shape for key, x in theirs.items()}


@pytest.mark.parametrize("name", ["kl_f4", "kl_f8", "kl_f16", "kl_f32", "vq_f4", "vq_f8", "vq_f16"])
def test_a_shipped_tokenizer_is_known_by_its_shapes(name):
    config = compose([f"tokenizer={name}", "data=imagenet256", "stages=[tokenizer]", "run=x"])
    model = build_models(config, build_data(config), ["tokenizer"], "meta")["tokenizer"]
    sizes = autoencoder_sizes(model.state_dict())
    encoder, bottleneck = config.tokenizer.encoder, config.tokenizer.bottleneck
    named = {f"encoder.{key}": x for key, x in encoder.items() if not key.startswith("_")}
    named |= {f"bottleneck.{k}": x for k, x in bottleneck.items() if k in ("shape", "codes")}
    assert sizes == {**named, "channels": 3}


def test_heads_and_places_are_left_out_where_the_file_does_not_tell_them():
    state = DiT([4, 8, 8], 2, width=48, depth=1, heads=2).state_dict()
    del state["pos_embed"]
    assert not {"heads", "tokens"} & dit_sizes(state).keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder.conv_out.weight": (10, 64, 3, 3)}, "other channels than the convolutions"),
        ({"encoder.down.1.block.0.conv1.weight": (48, 32, 3, 3)}, "no multiples of one"),
        ({"decoder.up.0.attn.0.q.weight": (32, 32, 1, 1)}, "does not mirror"),
        ({"bottleneck.codebook": (16, 4)}, "8 features do not make latents of 4 channels"),
    ],
)
def test_networks_that_no_configuration_builds_are_refused(change, message):
    state = autoencoder_from_diffusers(autoencoder().state_dict())
    state |= {key: torch.empty(shape) for key, shape in change.items()}
    with pytest.raises(ValueError, match=message):
        autoencoder_sizes(state)


def test_weights_of_something_else_are_refused():
    with pytest.raises(ValueError, match=r"no encoder\.down\.0: it has net\.weight"):
        autoencoder_sizes({"net.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="this is no DiT: it has pos_embed"):
        dit_sizes(transformer().state_dict())
