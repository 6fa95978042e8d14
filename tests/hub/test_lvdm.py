"""Names of LVDM's networks in the authors' files, there and back without a changed bit."""

import pytest
import torch
from authors import randomized
from safetensors.torch import load_file

from ldm.config.compose import compose
from ldm.hub.layouts import read_layout
from ldm.hub.lvdm import lvdm_from_authors, lvdm_to_authors
from ldm.networks.videos.lvdm.unet import SpaceTimeUNet
from ldm.run.exchange.exports import export_weights
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data

SMALL = {"width": 32, "multipliers": [1, 2], "attention": [2], "heads": 2}
PREFIX = "model.diffusion_model."


@pytest.mark.parametrize("options", [{"blocks": 1}, {"blocks": 3, "noise_levels": 5}])
def test_there_and_back_no_bit_changes(options):
    ours = randomized(SpaceTimeUNet([4, 4, 8, 8], **SMALL, **options)).state_dict()
    theirs = lvdm_to_authors(ours)
    back = lvdm_from_authors({**theirs, "first_stage_model.encoder.weight": torch.zeros(1)})
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[key], x) for key, x in ours.items())
    again = lvdm_to_authors(back)
    assert again.keys() == theirs.keys()
    assert all(torch.equal(again[key], x) for key, x in theirs.items())


def test_the_published_network_has_the_authors_names_and_shapes():
    with torch.device("meta"):
        theirs = lvdm_to_authors(SpaceTimeUNet(noise_levels=250).state_dict())
    shapes = {key.removeprefix(PREFIX): tuple(x.shape) for key, x in theirs.items()}
    assert shapes["input_blocks.0.0.weight"] == (256, 5, 1, 3, 3)
    assert shapes["input_blocks.4.0.op.weight"] == (256, 256, 1, 3, 3)
    assert shapes["input_blocks.5.1.qkv_s.weight"] == (1536, 512, 1)
    assert shapes["middle_block.1.proj_out_t.weight"] == (1024, 1024, 1)
    assert shapes["output_blocks.0.1.relative_position_k.embeddings_table"] == (9, 256)
    assert shapes["output_blocks.3.2.conv.weight"] == (1024, 1024, 1, 3, 3)
    assert shapes["label_emb.weight"] == (251, 1024)
    assert shapes["out.2.weight"] == (4, 256, 1, 3, 3)
    numbers = {key.split(".")[1] for key in shapes if key.startswith("output_blocks.")}
    assert len(numbers) == 16


def test_a_latent_diffusion_of_images_is_refused():
    state = {f"{PREFIX}input_blocks.0.0.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match="so this is no LVDM"):
        lvdm_from_authors(state)


def test_a_file_becomes_a_prior_and_goes_out_as_it_came(tmp_path):
    small = "width=32 multipliers=[1,2] blocks=1 attention=[2] heads=2"
    options = [f"prior.backbone.{one}" for one in small.split()]
    options += ["data=moving_digits", "data.size=32", "tokenizer=lvdm", "prior=lvdm"]
    options += ["tokenizer.encoder.network.levels=2", "sampler=ddim", "stages=[prior]"]
    config = compose([f"run={tmp_path}", "eval=none", *options])
    parts = Parts(config, data := build_data(config), build_models(config, data, ["prior"]))
    net = SpaceTimeUNet([4, 4, 8, 8], blocks=1, **SMALL)
    theirs = lvdm_to_authors(randomized(net).state_dict())
    file = tmp_path / "short.pt"
    torch.save(theirs, file)
    (found,) = read_layout(str(file), "lvdm")
    parts.prior.backbone.load_state_dict(found.state)
    export_weights(parts, "lvdm", tmp_path / "out")
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert written.keys() == theirs.keys()
    assert all(torch.equal(written[key], x) for key, x in theirs.items())
