"""The U-Net of PVDM's authors comes in and goes out, by name, to the last bit."""

import pytest
import torch

from ldm.config.compose import ConfigError
from ldm.hub.layouts import read_layout
from ldm.hub.pvdm import pvdm_from_authors, pvdm_to_authors
from ldm.hub.weights import BadCheckpoint
from ldm.networks.videos.triplane import TriplaneUNet
from ldm.run.exchange.exports import _state

SMALL = {"width": 32, "multipliers": [1, 2, 2, 2], "blocks": 2, "heads": 2}


def network(**options):
    torch.manual_seed(0)
    return TriplaneUNet([4, 192], [8, 8, 8], **SMALL, **options)


def test_names_are_the_authors_and_each_way_inverts_the_other():
    ours = network().state_dict()
    theirs = pvdm_to_authors(ours)
    lists = {key.split(".")[0] for key in theirs}
    assert lists == {
        *("time_embed", "input_blocks", "input_attns", "middle_block", "mid_attn"),
        *("output_blocks", "output_attns", "out"),
    }
    assert {int(key.split(".")[1]) for key in theirs if key.startswith("input_b")} == set(range(12))
    assert {int(key.split(".")[1]) for key in theirs if key.startswith("input_a")} == set(range(11))
    assert {int(key.split(".")[1]) for key in theirs if key.startswith("output_")} == set(range(12))
    assert theirs["input_attns.10.qkv.weight"].shape == (192, 64, 1)  # of a convolution
    assert theirs["input_blocks.0.0.weight"].shape == (32, 8, 3, 3)
    for prefix in ("", "module.diffusion_model."):
        back = pvdm_from_authors({prefix + key: x for key, x in theirs.items()})
        assert back.keys() == ours.keys()
        assert all(torch.equal(back[key], x) for key, x in ours.items())


def test_files_of_other_networks_are_refused(tmp_path):
    torch.save({"input_blocks.0.0.weight": torch.zeros(1)}, tmp_path / "unet.pt")
    with pytest.raises(BadCheckpoint, match="no U-Net of PVDM"):
        read_layout(str(tmp_path / "unet.pt"), "pvdm")


def test_files_are_read_whole(tmp_path):
    theirs = pvdm_to_authors(network().state_dict())
    torch.save(theirs, tmp_path / "unet.pt")
    (found,) = read_layout(str(tmp_path / "unet.pt"), "pvdm")
    assert (found.stage, len(found.state)) == ("prior", len(theirs))


def test_networks_with_classes_have_no_place_there():
    from ldm.objectives import Regression
    from ldm.priors import Successive
    from ldm.processes import GaussianDiffusion
    from ldm.spaces import Flat

    def exported(net):
        prior = Successive(net, GaussianDiffusion(Flat([4, 192])), Regression("eps"))
        return _state(prior, "pvdm")[0]

    assert len(exported(network())) == len(network().state_dict())
    with pytest.raises(ConfigError, match="without classes"):
        exported(network(classes=3))
