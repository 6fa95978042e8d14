"""Likelihood of binary images under a variational tokenizer, and its lower bound.

Sources: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016; as in Perez Rey,
Menkovski and Portegies, "Diffusion variational autoencoders", 2020.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import MeanMetric

from data import Batch
from eval.record import Record
from eval.scorers.scorer import BatchedScorer, to_device
from ldm import distributed
from ldm.bottlenecks import Variational
from ldm.config.compose import ConfigError
from ldm.losses.reconstruction import bernoulli
from ldm.progress import progress
from ldm.randomness import sample_generators
from ldm.run.parts import Parts
from ldm.tokenizers import Tokenizer

__all__ = ["Elbo", "nats"]


@dataclass
class Elbo(BatchedScorer):
    """Scores a tokenizer with a posterior on the test split, in nats per image.

    `elbo` is `reconstruction - kl`: the mean log probability of an image given a latent of its
    posterior, minus the divergence of the posterior from the prior. `log_likelihood` weights
    `importance` latents by p(z) / q(z | x): a lower bound, too, that increases to the likelihood
    with their number. For posteriors drawn by random walks, q is the limiting heat kernel. Latents
    are seeded by the image's index, so scores do not depend on batch size or number of processes.

    Attributes:
        batch_size: images; `importance` times as many latents are decoded at once.
        seed: of the latents.
        importance: latents per image.

    Raises:
        ValueError: `importance` is less than 1.
    """

    batch_size: int = 20
    importance: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.importance < 1:
            raise ValueError(f"importance must be 1 latent or more, got {self.importance}")

    def check(self, parts: Parts) -> None:
        bottleneck = parts.tokenizer.bottleneck
        if not isinstance(bottleneck, Variational):
            raise ConfigError(
                f"a {type(bottleneck).__name__} has no posterior, and so no likelihood: "
                f"choose eval=classifier or eval=inception for images, eval=points for points"
            )

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        names = ("log_likelihood", "elbo", "kl", "reconstruction")
        means = {name: MeanMetric().to(distributed.device()) for name in names}
        batches = self.batches(parts.data, "test")
        with progress("likelihood", len(batches)) as advance:
            for batch in batches:
                generators = sample_generators(self.seed, batch["index"].tolist())
                values = nats(parts.tokenizer, to_device(batch), self.importance, generators)
                for name, value in zip(names, values, strict=True):
                    means[name].update(value.float())
                advance(1)
        record.add(
            {name: mean.compute() for name, mean in means.items()},
            split="test",
            n=len(parts.data.test_dataset),
            unit="nats an image",
            likelihood="Bernoulli",
            importance=self.importance,
            seed=self.seed,
        )


def nats(
    tokenizer: Tokenizer, batch: Batch, draws: int, generators: Sequence[torch.Generator]
) -> tuple[Float[Tensor, " b"], ...]:
    """Log likelihood, ELBO, KL and mean log probability of the pixels of each image, in nats.

    Args:
        tokenizer: with a posterior.
        batch: with binary images `x`, `(b, c, h, w)`.
        draws: latents per image.
        generators: one per image.
    """
    x, encoded = batch["x"], tokenizer.encode(batch, generators)
    raw = encoded.raw.repeat_interleave(draws, 0)
    parts = zip(raw.split(draws), generators, strict=True)
    z = torch.cat([tokenizer.bottleneck.latent(part, own) for part, own in parts])
    errors = bernoulli(x.repeat_interleave(draws, 0), tokenizer.decode(z)["x"])
    log_p = -errors.flatten(1).double().sum(1).view(len(x), draws)
    weighted = log_p - tokenizer.bottleneck.log_ratio(raw, z).view(len(x), draws)
    log_likelihood = torch.logsumexp(weighted, 1) - math.log(draws)
    kl = tokenizer.bottleneck.divergence(encoded.raw.double())
    reconstruction = log_p.mean(1)
    return log_likelihood, reconstruction - kl, kl, reconstruction
