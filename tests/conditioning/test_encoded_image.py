"""Images are told as latents of the prior's own tokenizer, beside their masks."""

import pytest
import torch
from torch import nn

from ldm.bottlenecks import Gaussian, ManifoldPosterior
from ldm.conditioning import Conditioning, EncodedImage
from ldm.spaces import Sphere
from ldm.tokenizers import Tokenizer


@pytest.fixture
def tokenizer():
    torch.manual_seed(0)
    model = Tokenizer(nn.Conv2d(3, 8, 4, 4), Gaussian([4, 2, 2]), nn.Conv2d(4, 3, 1)).eval()
    model.mean.fill_(0.5), model.std.fill_(2.0)
    return model


def batch():
    image = torch.randn(5, 4, 8, 8)
    image[:, 3] = torch.where(image[:, 3] > 0, 1.0, -1.0)
    return {"image": image}


def test_a_network_is_told_normalised_latents_and_the_mask_on_their_grid(tokenizer):
    told = Conditioning(image=EncodedImage(tokenizer, [4, 8, 8]))
    given = batch()
    found = told.read(given)["image"]
    mean = tokenizer.encoder(given["image"][:, :3])[:, :4]  # of the posterior
    torch.testing.assert_close(found[:, :4], (mean - 0.5) / 2)
    assert torch.equal(found[:, 4:], given["image"][:, 3:, ::4, ::4])
    assert not found.requires_grad
    assert found.shape[1:] == told.example(1)["image"].shape[1:]
    assert torch.equal(told.read({"image": found})["image"], found)  # from a cache
    assert torch.equal(told.drop({"image": found})["image"], found)
    assert not told.active  # so that nothing is guided by it
    assert told.identity


def test_checks_of_shapes_encode_nothing(tokenizer):
    tokenizer.encoder = None
    told = Conditioning(image=EncodedImage(tokenizer, [4, 8, 8])).brief()
    assert told.read(batch())["image"].shape == (5, 5, 2, 2)


def test_latents_without_a_flat_grid_are_refused():
    points = Tokenizer(nn.Identity(), ManifoldPosterior(Sphere(2)), nn.Identity())
    with pytest.raises(ValueError, match=r"latents on a flat grid, and these are of Sphere"):
        EncodedImage(points, [4, 8, 8])
