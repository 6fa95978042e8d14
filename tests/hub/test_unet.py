"""Converted U-Nets give diffusers' own numbers, and the authors' files come back unchanged."""

import pytest
import torch
from authors import randomized, unet, unet_authors_names
from torch import Tensor, nn

from ldm.config.compose import compose
from ldm.hub.unet import (
    unet_from_compvis,
    unet_from_diffusers,
    unet_to_compvis,
    unet_to_diffusers,
)
from ldm.networks.images.unet import UNet

WIDE = 8  # channels of a head
PAIRS = {  # our network, and diffusers' options for the same
    "pixels": ({"attention": [2]}, {"attention": [1]}),
    "resampling blocks": (
        {"attention": [1, 2], "resample_blocks": True, "scale_shift": True},
        {
            "downsample_type": "resnet",
            "upsample_type": "resnet",
            "resnet_time_scale_shift": "scale_shift",
            "attn_norm_num_groups": 32,
        },
    ),
    "added classes": ({"classes": 5}, {"num_class_embeds": 6}),
    "text": ({"text_shape": [3, 24]}, {"context": 24}),
    "deep, linear, two blocks": (
        {"text_shape": [3, 24], "depth": 2, "linear": True, "blocks": 2},
        {
            "context": 24,
            "transformer_layers_per_block": 2,
            "use_linear_projection": True,
            "layers_per_block": 2,
        },
    ),
    "class in context": (
        {"classes": 5, "context": 16},
        {"context": 16, "encoder_hid_dim": 6, "encoder_hid_dim_type": "text_proj"},
    ),
    "image": ({"image_shape": [3, 8, 8]}, {"channels": 7}),
}


class Waves(nn.Module):
    """The published timestep embedding in double precision; diffusers computes it in single."""

    def __init__(self, waves: int) -> None:
        super().__init__()
        self.half = waves // 2

    def forward(self, t: Tensor) -> Tensor:
        angle = t[:, None] * 1e4 ** -(torch.arange(self.half, dtype=torch.float64) / self.half)
        return torch.cat([angle.cos(), angle.sin()], 1)


def ours(sizes: dict) -> UNet:
    given = {"multipliers": [1, 2], "attention": [1, 2], "blocks": 1, "head_width": WIDE, **sizes}
    return UNet([4, 8, 8], width=32, **given)


def told(net: UNet, dtype: torch.dtype) -> dict[str, Tensor]:
    """Conditions that the network reads, of three samples."""
    given = {"label": torch.tensor([0, 4, 5])} if net.classes else {}
    if net.told["text"]:
        given["text"] = torch.randn(3, 3, 24, dtype=dtype)
        given["text_mask"] = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0]]).bool()
    if net.told["image"]:
        given["image"] = torch.randn(3, 3, 8, 8, dtype=dtype)
    return given


def by_diffusers(net: UNet, theirs: nn.Module, x: Tensor, t: Tensor, given: dict) -> Tensor:
    """Output of diffusers' network for the same inputs."""
    if "image" in given:
        x = torch.cat([x, given["image"]], 1)
    if net.class_in_context:  # one at the place of the class, zero elsewhere
        context = torch.eye(net.classes + 1, dtype=x.dtype)[given["label"], None]
        return theirs(x, t, encoder_hidden_states=context).sample
    if "text" in given:
        options = {"encoder_attention_mask": given["text_mask"]}
        return theirs(x, t, encoder_hidden_states=given["text"], **options).sample
    return theirs(x, t, class_labels=given.get("label")).sample


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["single", "double"])
@pytest.mark.parametrize("name", PAIRS)
def test_the_network_equals_diffusers(name, dtype):
    sizes, options = PAIRS[name]
    net, theirs = randomized(ours(sizes)).to(dtype), unet(**options).to(dtype).eval()
    state = unet_to_diffusers(net.state_dict(), WIDE)
    theirs.load_state_dict(state)
    if dtype == torch.float64:
        theirs.time_proj = Waves(32)
    x, t = torch.randn(3, 4, 8, 8, dtype=dtype), torch.tensor([0, 500, 999])
    given = told(net, dtype)
    expected = by_diffusers(net, theirs, x, t, given)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    assert (net(x, t, **given) - expected).abs().max() < tolerance * expected.abs().max()


@pytest.mark.parametrize("name", PAIRS)
def test_there_and_back_no_bit_changes(name):
    sizes, options = PAIRS[name]
    theirs = randomized(unet(**options))
    if "encoder_hid_dim" in options:
        nn.init.zeros_(theirs.encoder_hid_proj.bias)  # as no table of classes has any
    state = unet_from_diffusers(theirs.state_dict(), WIDE)
    back = unet_to_diffusers(state, WIDE)
    assert back.keys() == theirs.state_dict().keys()
    assert all(torch.equal(back[key], x) for key, x in theirs.state_dict().items())
    authors = unet_authors_names(theirs)
    found = unet_from_compvis(authors)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], x) for key, x in state.items())
    again = unet_to_compvis(found)
    assert again.keys() == authors.keys()
    assert all(torch.equal(again[key], x) for key, x in authors.items())
    assert state.keys() == ours(sizes).state_dict().keys()


SD = {"levels": (320, 640, 1280, 1280), "attention": (0, 1, 2)}
IMAGENET = {"levels": (192, 384, 576, 960), "attention": (1, 2, 3), "heads": 1, "context": 512}
FULL = {  # of a configuration: what it is handed, and diffusers' options for the same
    "ldm_4": (
        {"shape": [3, 64, 64]},
        {"levels": (224, 448, 672, 896), "attention": (1, 2, 3), "head_width": 32, "channels": 3},
    ),
    "ldm_4_imagenet": ({"shape": [3, 64, 64], "classes": 1000}, {**IMAGENET, "channels": 3}),
    "sd_1": ({"text_shape": [77, 768]}, {**SD, "heads": 8, "context": 768}),
    "sd_2": (
        {"text_shape": [77, 1024]},
        {**SD, "head_width": 64, "context": 1024, "use_linear_projection": True},
    ),
}


@pytest.mark.parametrize("name", FULL)
def test_a_published_size_has_the_names_and_shapes_of_its_authors_and_of_diffusers(name):
    given, options = FULL[name]
    config = compose(["experiment=ldm/imagenet_f4", f"prior/backbone={name}"])
    sizes = {key: value for key, value in config.prior.backbone.items() if key != "_target_"}
    wide = options.get("head_width", WIDE)
    with torch.device("meta"):
        ours = UNet(**given, **sizes).state_dict()
        theirs = unet(**options, out_channels=options.get("channels", 4), layers_per_block=2)
        authors = unet_authors_names(theirs)
    if "classes" in given:
        authors["cond_stage_model.embedding.weight"] = torch.empty(1001, 512, device="meta")
    renamed = unet_to_compvis(ours)
    assert {k: x.shape for k, x in renamed.items()} == {k: x.shape for k, x in authors.items()}
    back = unet_from_compvis(renamed)
    assert {k: x.shape for k, x in back.items()} == {k: x.shape for k, x in ours.items()}
    ours.pop("y_embedder.embedding_table.weight", None)
    diffusers = {k: x.shape for k, x in unet_to_diffusers(ours, wide).items()}
    assert diffusers == {k: x.shape for k, x in theirs.state_dict().items()}


def test_the_averaged_weights_of_a_whole_latent_diffusion_are_taken():
    theirs = unet_authors_names(randomized(unet()))
    averaged = {
        "model_ema." + key.removeprefix("model.").replace(".", ""): x + 1
        for key, x in theirs.items()
    }
    whole = {**theirs, **averaged, "model_ema.decay": torch.tensor(0.9999)}
    whole["first_stage_model.quant_conv.weight"] = torch.zeros(1)
    expected = unet_from_compvis(theirs)
    found = unet_from_compvis(whole)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], x + 1) for key, x in expected.items())


def test_a_projection_that_is_no_table_of_classes_is_refused():
    theirs = unet(context=16, encoder_hid_dim=6, encoder_hid_dim_type="text_proj")
    with pytest.raises(ValueError, match="what is projected is no class"):
        unet_from_diffusers(theirs.state_dict(), WIDE)


def test_a_file_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"no latent diffusion of CompVis; it has net\.weight"):
        unet_from_compvis({"net.weight": torch.zeros(1)})
