"""DINOv2's weights: from a file, in evaluation mode for ever, and refused where they do not fit."""

import pytest
import torch
from torch.testing import assert_close

from ldm.hub.weights import BadCheckpoint
from ldm.losses import DINOv2, PatchFeatures, dinov2
from ldm.networks.images import vision_transformer

SMALL = {"width": 24, "depth": 12, "heads": 3}


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    """Networks of the published depth, but narrow."""
    for sizes in (dinov2.SIZES, vision_transformer.SIZES):
        monkeypatch.setitem(sizes, "S", SMALL)
        monkeypatch.setitem(sizes, "L", SMALL)


@pytest.fixture
def weights(tmp_path):
    """`weights(size)`: a file as the authors', with random weights."""

    def written(size):
        with torch.device("meta"):
            state = DINOv2(size).state_dict()
        generator = torch.Generator().manual_seed(0)
        drawn = {k: 0.2 * torch.randn(v.shape, generator=generator) for k, v in state.items()}
        torch.save(drawn | {"mask_token": torch.zeros(1, 24)}, tmp_path / f"{size}.pth")
        return tmp_path / f"{size}.pth"

    return written


def test_a_file_of_the_authors_is_read_and_nothing_is_trained(weights):
    network = DINOv2("S", weights("S")).train()
    state = torch.load(weights("S"), weights_only=True)
    assert_close(dict(network.state_dict()), {k: v for k, v in state.items() if k != "mask_token"})
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_features_of_patches_are_the_normalised_tokens_on_their_grid(weights):
    features = PatchFeatures("L", weights("L"), side=56)
    x = torch.rand(2, 3, 56, 56, generator=torch.Generator().manual_seed(1)) * 2 - 1
    grid = features.grid_of(x)
    assert grid.shape == (2, 24, 4, 4)
    tokens = features.norm(features(x)[-1])
    assert_close(grid[:, :, 1, 2], tokens[:, 1 + 4 + 2])
    grey = x.mean(1, keepdim=True)
    assert_close(features.grid_of(grey), features.grid_of(grey.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("size", ["S", "L"])
def test_a_folder_of_transformers_has_equal_features(size, tmp_path):
    import transformers

    settings = {"hidden_size": 24, "num_hidden_layers": 12, "num_attention_heads": 3}
    settings |= {"image_size": 518, "patch_size": 14}
    if size == "S":
        config = transformers.Dinov2WithRegistersConfig(**settings, num_register_tokens=4)
        theirs = transformers.Dinov2WithRegistersModel(config).eval()
    else:
        theirs = transformers.Dinov2Model(transformers.Dinov2Config(**settings)).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in theirs.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    theirs.save_pretrained(tmp_path)
    x = (
        torch.randn(1, 3, 56, 70, generator=generator)
        if size == "S"
        else torch.ones(1, 3, 518, 518)
    )
    with torch.no_grad():
        ours = DINOv2(size, tmp_path)
        found = theirs(x, output_hidden_states=True)
        assert_close(tuple(ours(x)), found.hidden_states, atol=1e-4, rtol=1e-4)
        assert_close(ours.norm(ours(x)[-1]), found.last_hidden_state, atol=1e-4, rtol=1e-4)
    with pytest.raises(BadCheckpoint, match="does not fit DINOv2"):
        DINOv2("L" if size == "S" else "S", tmp_path)


def test_a_place_without_files_of_transformers_is_refused(tmp_path):
    with pytest.raises(BadCheckpoint, match=r"DINOv2 .*none cannot be read .*name the folder"):
        DINOv2("S", tmp_path / "none")


def test_weights_that_are_not_here_and_those_of_another_network_are_refused(
    weights, tmp_path, monkeypatch
):
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "none"))
    with pytest.raises(BadCheckpoint, match=r"'dinov2_vits14_reg' are not here.*put them at"):
        DINOv2("S")
    with pytest.raises(BadCheckpoint, match="register_tokens"):
        DINOv2("S", weights("L"))
    with pytest.raises(ValueError, match="expected a size among S, L, got 'XL'"):
        DINOv2("XL")
