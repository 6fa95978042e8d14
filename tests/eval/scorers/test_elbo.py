"""Likelihoods against integrals over the latent space, and through the public command."""

import math

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.utils.data import Dataset

from data import Digits, VonMisesFisher
from eval.record import Record
from eval.scorers.elbo import Elbo, nats
from ldm import distributed
from ldm.bottlenecks import Gaussian, ManifoldPosterior
from ldm.config.compose import ConfigError, compose
from ldm.losses.reconstruction import bernoulli
from ldm.networks.images.dense import Decoder, Encoder
from ldm.randomness import sample_generators
from ldm.run.parts import Parts
from ldm.spaces import Power, Rotations, Sphere
from ldm.tokenizers import Identity, Tokenizer
from train import train

IMAGE = [1, 3, 3]


def images(n: int) -> torch.Tensor:
    return torch.randn(n, *IMAGE, generator=torch.Generator().manual_seed(0)).sign()


def tokenizer(bottleneck) -> Tokenizer:
    torch.manual_seed(0)
    decoder = Decoder(math.prod(bottleneck.space.shape), IMAGE, widths=[16])
    with torch.no_grad():
        decoder.layers[0].weight.mul_(6)  # so that pictures depend on their latents
    return Tokenizer(Encoder(IMAGE, bottleneck.in_channels, widths=[16]), bottleneck, decoder)


@pytest.mark.parametrize("space", [Sphere(2), Power(Sphere(1), 2), Rotations()], ids=repr)
def test_importance_weights_integrate_over_the_manifold(space):
    model, x = tokenizer(ManifoldPosterior(space, log_time=[0.3, 1.3], steps=60)), images(3)
    points = space.spread(20_000).float()
    with torch.no_grad():
        pictures = model.decode(points)["x"]
        log_p = [-bernoulli(one.expand_as(pictures), pictures).flatten(1).sum(1) for one in x]
        expected = torch.logsumexp(torch.stack(log_p), 1) - math.log(len(points))
        found, elbo, _, _ = nats(model, {"x": x}, 4000, sample_generators(1, range(3)))
    torch.testing.assert_close(found.float(), expected, atol=0.04, rtol=0)
    assert (elbo < found).all()


def test_the_bound_is_reached_where_the_decoder_reads_nothing():
    model, x = tokenizer(Gaussian([2])), images(4)
    nn.init.zeros_(model.decoder.layers[0].weight)
    nn.init.zeros_(model.encoder[-1].weight)
    nn.init.zeros_(model.encoder[-1].bias)
    found, elbo, kl, reconstruction = nats(model, {"x": x}, 7, sample_generators(0, range(4)))
    assert (kl == 0).all()
    torch.testing.assert_close(found, reconstruction)
    torch.testing.assert_close(elbo, reconstruction)


SHORT = [
    "experiment=delta_vae/s2",
    "data=digits",
    "tokenizer.training.samples=400",
    "trainer.accelerator=cpu",
    "trainer.pictures=1",
    "trainer.records=4",
    "eval.importance=20",
    "eval.batch_size=100",
]


def test_a_short_run_is_scored_and_says_how(tmp_path, monkeypatch):
    seeds, draw = [], ManifoldPosterior.latent

    def noted(self, raw, generator=None):
        if isinstance(generator, torch.Generator) and len(raw) == 20:  # latents of one image
            seeds.append(generator.initial_seed())
        return draw(self, raw, generator)

    monkeypatch.setattr(ManifoldPosterior, "latent", noted)
    metrics, _ = train(compose([*SHORT, f"run={tmp_path}/s2"]))
    assert metrics["elbo"] == pytest.approx(metrics["reconstruction"] - metrics["kl"], rel=1e-5)
    assert metrics["elbo"] < metrics["log_likelihood"] < 0
    assert 4.6 < metrics["kl"] < 7.2  # between the bounds of the time
    assert len(seeds) == len(set(seeds)) == 360  # each image with its own noise


@pytest.fixture
def vae():
    """A variational tokenizer, and forty digits to score it on."""
    model = tokenizer(Gaussian([2]))
    data = Digits()
    pictures = data.load("test").__getitems__(range(40))["x"][:, :, ::3, ::3].sign()
    data.test_dataset = Repeated(pictures)
    return Parts(OmegaConf.create(), data, {"tokenizer": model})


class Repeated(Dataset):
    """Black and white images."""

    def __init__(self, pictures):
        self.pictures = pictures

    def __len__(self):
        return len(self.pictures)

    def __getitems__(self, items):
        return {"x": self.pictures[list(items)], "index": torch.tensor(list(items))}

    def digest(self):
        return str(self.pictures.sum())


def score(parts, **options):
    record = Record()
    Elbo(importance=3, **options).score(parts, record)
    return record.values


def test_every_image_has_noise_of_its_own_whatever_the_batch(vae):
    whole, single, other = (
        score(vae, batch_size=40),
        score(vae, batch_size=1),
        score(vae, batch_size=40, seed=1),
    )
    assert single == pytest.approx(whole, rel=1e-5)
    assert other["log_likelihood"] != pytest.approx(whole["log_likelihood"], rel=1e-5)
    vae.data.test_dataset.pictures[:] = vae.data.test_dataset.pictures[:1].clone()
    equal = score(vae, batch_size=1)
    vae.data.test_dataset.pictures = vae.data.test_dataset.pictures[:1]
    assert score(vae)["log_likelihood"] != pytest.approx(equal["log_likelihood"], rel=1e-4)


def test_two_processes_score_images_as_one_does(vae, two_processes):
    expected = score(vae)

    def work(rank: int) -> dict:
        distributed.join()
        return score(vae)

    for found in two_processes(work):
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_likelihood_needs_latents():
    with pytest.raises(ValueError, match="importance must be 1 latent or more, got 0"):
        Elbo(importance=0)


def test_a_tokenizer_without_a_posterior_is_refused_before_it_is_trained():
    tokenizer = Identity(Sphere(2))
    with pytest.raises(ConfigError, match=r"a Passthrough has no posterior, .*choose eval="):
        Elbo().check(Parts(OmegaConf.create(), VonMisesFisher(), {"tokenizer": tokenizer}))
