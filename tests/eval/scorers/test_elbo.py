"""Likelihoods against integrals over the latent space, and through the public command."""

import math

import pytest
import torch
from torch import nn

from data import VonMisesFisher
from eval.scorers.elbo import ElboEvaluation, nats
from ldm.bottlenecks import Gaussian, ManifoldPosterior
from ldm.config.compose import ConfigError, compose
from ldm.losses.reconstruction import bernoulli
from ldm.networks.images.dense import Decoder, Encoder
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
        found, elbo, _, _ = nats(model, x, 4000, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found.float(), expected, atol=0.04, rtol=0)
    assert (elbo < found).all()


def test_the_bound_is_reached_where_the_decoder_reads_nothing():
    model, x = tokenizer(Gaussian([2])), images(4)
    nn.init.zeros_(model.decoder.layers[0].weight)
    nn.init.zeros_(model.encoder[-1].weight)
    nn.init.zeros_(model.encoder[-1].bias)
    found, elbo, kl, reconstruction = nats(model, x, 7)
    assert (kl == 0).all()
    torch.testing.assert_close(found, reconstruction)
    torch.testing.assert_close(elbo, reconstruction)


SHORT = [
    "experiment=delta_vae/s2",
    "data=digits",
    "tokenizer.encoder.shape=[1, 8, 8]",
    "tokenizer.training.samples=400",
    "trainer.accelerator=cpu",
    "trainer.pictures=1",
    "trainer.records=4",
    "eval.importance=20",
    "eval.batch_size=100",
]


def test_a_short_run_is_scored_and_says_how(tmp_path, monkeypatch):
    seeds, draw = {}, ManifoldPosterior.latent

    def noted(self, raw, generator=None):
        if generator is not None:
            seeds.setdefault(len(raw), []).append(generator.initial_seed())
        return draw(self, raw, generator)

    monkeypatch.setattr(ManifoldPosterior, "latent", noted)
    metrics, _ = train(compose([*SHORT, f"run={tmp_path}/s2"]))
    assert metrics["elbo"] == pytest.approx(metrics["reconstruction"] - metrics["kl"], rel=1e-5)
    assert metrics["elbo"] < metrics["log_likelihood"] < 0
    assert 4.6 < metrics["kl"] < 7.2  # between the bounds of the time
    # Twenty latents of each image, in batches of 100, 100, 100 and 60, each with its own noise.
    found = seeds[2000] + seeds[1200]
    assert len(found) == len(set(found)) == 4


def test_a_tokenizer_without_a_posterior_is_refused_before_it_is_trained():
    tokenizer = Identity(Sphere(2))
    with pytest.raises(ConfigError, match=r"a Passthrough has no posterior, .*choose eval="):
        ElboEvaluation().check(VonMisesFisher(), tokenizer)
