"""The tokenizer of motion, given a first frame."""

import pytest
import torch

from ldm.bottlenecks import Passthrough
from ldm.networks.videos.lfdm.autoencoder import FlowDecoder, FlowEncoder
from ldm.spaces import Flat
from ldm.tokenizers import LatentFlow

SHAPE = [1, 3, 128, 128]


@pytest.fixture(scope="module")
def tokenizer():
    torch.manual_seed(0)
    encoder = FlowEncoder(SHAPE, regions=2, width=4, most=8)
    decoder = FlowDecoder(SHAPE, generator_width=4, blocks=1)
    return LatentFlow(
        encoder=encoder,
        bottleneck=Passthrough(Flat([3, 3, 32, 32])),
        decoder=decoder,
        scale=1.0,
        context_keys=["first_frame"],
    ).eval()


@pytest.fixture(scope="module")
def batch():
    return {"x": torch.rand(2, *SHAPE) * 2 - 1, "index": torch.arange(2)}


def test_latents_are_flow_and_visibility_between_minus_one_and_one(tokenizer, batch):
    latent = tokenizer.encode(batch).latent
    assert latent.shape == (2, *tokenizer.space.shape)
    assert latent[:, 2].abs().max() <= 1


def test_the_first_frame_of_a_clip_is_its_source(tokenizer, batch):
    encoded = tokenizer.encode(batch)
    told = {**batch, "first_frame": batch["x"][:, :, 0]}
    assert torch.equal(encoded.latent, tokenizer.encode(told).latent)
    assert torch.equal(encoded.context["appearance"], tokenizer.conditions(told)["appearance"])
    other = {**batch, "first_frame": batch["x"][:, :, 1]}
    assert not torch.equal(encoded.latent, tokenizer.encode(other).latent)


def test_a_drawn_motion_is_painted_of_the_first_frame_that_is_asked_for(tokenizer, batch):
    asked = {"first_frame": batch["x"][:, :, 0]}
    latent = tokenizer.denormalize(tokenizer.encode(batch).latent)
    painted = tokenizer.decode(latent, {**asked, **tokenizer.conditions(asked)})["x"]
    assert torch.allclose(painted, tokenizer.reconstruct(batch)[0]["x"])


def test_training_paints_one_frame_of_each_clip_from_another(tokenizer, batch):
    pairs = set()
    for seed in range(6):
        painted, _ = tokenizer(batch, torch.Generator().manual_seed(seed))
        assert painted["x"].shape == painted["target"].shape == (2, 1, 1, 128, 128)
        same = (batch["x"] == painted["target"]).flatten(3).all(-1).squeeze(1)
        pairs.add(tuple(same.int().argmax(1).tolist()))
        assert same.sum(1).tolist() == [1, 1]
    assert len(pairs) > 2
