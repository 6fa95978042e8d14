"""Names of LFDM's U-Net in the authors' files, there and back without a changed bit."""

import pytest
import torch
from authors import randomized
from omegaconf import OmegaConf
from safetensors.torch import load_file

from data import Digits
from ldm.config.compose import ConfigError
from ldm.hub.layouts import read_layout
from ldm.hub.lfdm import lfdm_from_authors, lfdm_to_authors
from ldm.networks.videos.lfdm.unet import FlowUNet
from ldm.objectives import Regression
from ldm.priors import Denoiser
from ldm.processes import GaussianDiffusion
from ldm.run.exchange.exports import export_weights
from ldm.run.parts import Parts
from ldm.spaces import Flat

EPS = Regression("eps")
SMALL = {"width": 8, "multipliers": [1, 2]}
TOLD = {"text_shape": [16, 12], "null_text": True}


def small(**options) -> FlowUNet:
    return randomized(FlowUNet([3, 4, 8, 8], [6, 8, 8], **SMALL, **options))


@pytest.mark.parametrize("options", [{}, TOLD])
def test_there_and_back_no_bit_changes(options):
    ours = small(**options).state_dict()
    theirs = lfdm_to_authors(ours)
    named = {f"module.denoise_fn.{key}": x for key, x in theirs.items()}
    back = lfdm_from_authors({"generator.weight": torch.zeros(1), **named})
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[key], x) for key, x in ours.items())
    again = lfdm_to_authors(back)
    assert again.keys() == theirs.keys()
    assert all(torch.equal(again[key], x) for key, x in theirs.items())


def test_the_published_network_has_the_names_and_shapes_of_the_library():
    """Written down from the library, block by block, not by the rules under test."""
    with torch.device("meta"):
        net = FlowUNet(text_shape=[16, 768], null_text=True)
        theirs = lfdm_to_authors(net.state_dict())
    shapes = {key: tuple(x.shape) for key, x in theirs.items()}
    expected = {
        "null_cond_emb": (1, 768),
        "time_rel_pos_bias.relative_attention_bias.weight": (32, 8),
        "init_conv.weight": (64, 259, 1, 7, 7),
        "init_conv.bias": (64,),
        "time_mlp.1.weight": (256, 64),
        "time_mlp.1.bias": (256,),
        "time_mlp.3.weight": (256, 256),
        "time_mlp.3.bias": (256,),
        "final_conv.1.weight": (2, 64, 1, 1, 1),
        "final_conv.1.bias": (2,),
        "occlusion_map.1.weight": (1, 64, 1, 1, 1),
        "occlusion_map.1.bias": (1,),
    }

    def residual(place, before, after, condition=1024):
        if condition:
            expected[f"{place}.mlp.1.weight"] = (2 * after, condition)
            expected[f"{place}.mlp.1.bias"] = (2 * after,)
        for name, channels in (("block1", before), ("block2", after)):
            expected[f"{place}.{name}.proj.weight"] = (after, channels, 1, 3, 3)
            for part in ("proj.bias", "norm.weight", "norm.bias"):
                expected[f"{place}.{name}.{part}"] = (after,)
        if before != after:
            expected[f"{place}.res_conv.weight"] = (after, before, 1, 1, 1)
            expected[f"{place}.res_conv.bias"] = (after,)

    def attention(place, channels, rotary=True):
        expected[f"{place}.fn.norm.gamma"] = (1, channels, 1, 1, 1)
        expected[f"{place}.fn.fn.fn.to_qkv.weight"] = (768, channels)
        expected[f"{place}.fn.fn.fn.to_out.weight"] = (channels, 256)
        if rotary:
            expected[f"{place}.fn.fn.fn.rotary_emb.freqs"] = (16,)

    def level(place, before, after, resize):
        residual(f"{place}.0", before, after)
        residual(f"{place}.1", after, after)
        expected[f"{place}.2.fn.norm.gamma"] = (1, after, 1, 1, 1)
        expected[f"{place}.2.fn.fn.to_qkv.weight"] = (768, after, 1, 1)
        expected[f"{place}.2.fn.fn.to_out.weight"] = (after, 256, 1, 1)
        expected[f"{place}.2.fn.fn.to_out.bias"] = (after,)
        attention(f"{place}.3", after)
        if resize:
            expected[f"{place}.4.weight"] = (after, after, 1, 4, 4)
            expected[f"{place}.4.bias"] = (after,)

    attention("init_temporal_attn", 64)
    widths = [64, 64, 128, 256, 512]
    for n in range(4):
        level(f"downs.{n}", widths[n], widths[n + 1], resize=n < 3)
        level(f"ups.{n}", 2 * widths[4 - n], widths[3 - n], resize=n < 3)
    residual("mid_block1", 512, 512)
    residual("mid_block2", 512, 512)
    attention("mid_spatial_attn", 512, rotary=False)
    attention("mid_temporal_attn", 512)
    residual("final_conv.0", 128, 64, condition=0)
    residual("occlusion_map.0", 128, 64, condition=0)
    assert shapes == expected
    learned = sum(x.numel() for key, x in theirs.items() if "rotary" not in key)
    assert learned == 42_731_971


def test_other_networks_are_refused():
    theirs = lfdm_to_authors(small().state_dict())
    plain = {key: x for key, x in theirs.items() if not key.startswith("occlusion_map")}
    with pytest.raises(ValueError, match="so this is no U-Net of LFDM"):
        lfdm_from_authors(plain)
    turned = {key: 2 * x if key.endswith("freqs") else x for key, x in theirs.items()}
    with pytest.raises(ValueError, match=r"freqs are no frequencies of base 10,000"):
        lfdm_from_authors(turned)
    nearest = small(upsampling="nearest")
    with pytest.raises(ValueError, match="is no deconvolution, and names of others are not known"):
        lfdm_from_authors(lfdm_to_authors(nearest.state_dict()))


def parts(**options) -> Parts:
    process = GaussianDiffusion(Flat([3, 4, 8, 8]), "cosine")
    return Parts(OmegaConf.create(), Digits(), {"prior": Denoiser(small(**options), process, EPS)})


def test_a_file_becomes_a_prior_and_goes_out_as_it_came_where_the_layout_has_a_place(tmp_path):
    theirs = lfdm_to_authors(small(**TOLD).state_dict())
    file = tmp_path / "unet.pt"
    torch.save(theirs, file)
    (found,) = read_layout(str(file), "lfdm")
    ours = parts(**TOLD)
    ours.prior.backbone.load_state_dict(found.state)
    export_weights(ours, "lfdm", tmp_path / "out")
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert written.keys() == theirs.keys()
    assert all(torch.equal(written[key], x) for key, x in theirs.items())
    with pytest.raises(ConfigError, match="a network with upsampling=deconvolution"):
        export_weights(parts(upsampling="nearest"), "lfdm", tmp_path / "other")
