"""Files and folders of others are read, or refused with what to do."""

import json

import pytest
import torch
from authors import autoencoder, randomized, transformer, unet

from ldm.hub.layouts import read_layout
from ldm.hub.weights import BadCheckpoint


def changed(folder, **options):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | options))


def test_a_model_without_convolutions_around_its_bottleneck_gets_the_identity(tmp_path):
    options = {"use_quant_conv": False, "use_post_quant_conv": False}
    theirs = randomized(autoencoder(**options, shift_factor=0.1, scaling_factor=0.4))
    theirs.save_pretrained(tmp_path)
    (found,) = read_layout(str(tmp_path), "diffusers")
    assert torch.equal(found.state["encoder.quant_conv.weight"][:, :, 0, 0], torch.eye(8))
    assert torch.equal(found.state["decoder.post_quant_conv.weight"][:, :, 0, 0], torch.eye(4))
    assert found.statistics == {"scaling_factor": 0.4, "shift_factor": 0.1}


@pytest.mark.parametrize(
    ("options", "heads", "head_width"),
    [({}, None, 8), ({"context": 16}, None, 8), ({"context": 16, "heads": 4}, 4, None)],
)
def test_the_heads_of_a_unet_of_diffusers_are_in_its_configuration(
    tmp_path, options, heads, head_width
):
    unet(**options).save_pretrained(tmp_path)
    (found,) = read_layout(str(tmp_path), "diffusers")
    assert (found.sizes["heads"], found.sizes["head_width"]) == (heads, head_width)
    assert found.sizes["multipliers"] == [1, 2]
    assert found.group == ("stable_diffusion" if options else "ldm")
    with pytest.raises(BadCheckpoint, match="the heads of attention: give the folder"):
        read_layout(str(tmp_path / "diffusion_pytorch_model.safetensors"), "diffusers")


def test_a_unet_that_also_reads_an_image_is_refused(tmp_path):
    unet(channels=7).save_pretrained(tmp_path)
    with pytest.raises(BadCheckpoint, match="reads 7 channels of latents of 4, so an image, too"):
        read_layout(str(tmp_path), "diffusers")


def test_a_bare_file_of_diffusers_is_told_by_its_names(tmp_path):
    for model, stage in ((autoencoder(), "tokenizer"), (transformer(), "prior")):
        torch.save(model.state_dict(), tmp_path / "file.pt")
        (found,) = read_layout(str(tmp_path / "file.pt"), "diffusers")
        assert found.stage == stage
        assert found.statistics == {}


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (autoencoder, {"norm_num_groups": 16}, "norm_num_groups=16.*must be 32"),
        (autoencoder, {"act_fn": "relu"}, "act_fn=relu.*must be silu"),
        (transformer, {"attention_bias": False}, "attention_bias=False"),
        (autoencoder, {"_class_name": "UNet1DModel"}, "is of a UNet1DModel: what can be imported"),
    ],
)
def test_a_model_that_computes_something_else_is_refused(tmp_path, make, options, message):
    make().save_pretrained(tmp_path)
    changed(tmp_path, **options)
    with pytest.raises(BadCheckpoint, match=message):
        read_layout(str(tmp_path), "diffusers")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BadCheckpoint, match=r"config\.json cannot be read.*that diffusers saved"):
        read_layout(str(tmp_path), "diffusers")
    transformer().save_pretrained(tmp_path)
    with pytest.raises(
        BadCheckpoint, match="cannot be imported as compvis: there is no quant_conv"
    ):
        read_layout(str(tmp_path), "compvis")


def test_blocks_with_embeddings_of_their_own_are_refused(tmp_path):
    model = randomized(transformer(), std=0.1)
    model.save_pretrained(tmp_path)
    with pytest.raises(BadCheckpoint, match="a DiT has one embedding for all"):
        read_layout(str(tmp_path), "diffusers")
