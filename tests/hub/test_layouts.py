"""Files and folders of others are read, or refused with what to do."""

import json

import pytest
import torch
from authors import autoencoder, randomized, transformer

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
        (autoencoder, {"_class_name": "UNet2DModel"}, "is of a UNet2DModel: what can be imported"),
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
