"""How variational tokenizers are scored: likelihood of black and white images, and its bound.

Sources: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016; as in Perez Rey,
Menkovski and Portegies, "Diffusion variational autoencoders", 2020.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import MeanMetric

from data import DataModule
from eval.record import Scores
from eval.scorers.scorer import Evaluation
from ldm import distributed
from ldm.bottlenecks import Encoded, Variational
from ldm.config.compose import ConfigError
from ldm.losses.reconstruction import bernoulli
from ldm.randomness import step_generator
from ldm.run.parts import Parts
from ldm.tokenizers import Tokenizer
from ldm.training.progress import progress_bar

__all__ = ["ElboEvaluation"]


@dataclass
class ElboEvaluation(Evaluation):
    """Scores a tokenizer with a posterior on the test split, in nats an image.

    `elbo` is `reconstruction - kl`: the mean log probability of an image given a latent of its
    posterior, and the divergence of that from the prior. `log_likelihood` weighs `importance`
    latents by p(z) / q(z | x); it is a bound too, that rises to the likelihood with their number.
    Where draws are random walks, q is the heat kernel they approach.

    Attributes:
        importance: latents an image.
        batch_size: images; `importance` times as many latents are decoded at once.
        seed: of the latents.
    """

    importance: int = 1000
    batch_size: int = 20
    seed: int = 0
    samples = 0  # none are drawn from a prior

    def check(self, data: DataModule, tokenizer: Tokenizer) -> None:
        if not isinstance(tokenizer.bottleneck, Variational):
            raise ConfigError(
                f"a {type(tokenizer.bottleneck).__name__} has no posterior, and so no likelihood: "
                f"choose eval=classifier or eval=inception for images, eval=points for points"
            )

    @torch.no_grad()
    def score(self, parts: Parts, scores: Scores) -> None:
        tokenizer, device = parts.tokenizer, distributed.device()
        names = ("log_likelihood", "elbo", "kl", "reconstruction")
        means = {name: MeanMetric().to(device) for name in names}
        batches = self.batches(parts.data, "test")
        with progress_bar() as bar:
            task = bar.add_task("likelihood", total=len(batches), remarks="")
            for number, batch in enumerate(batches):
                x = batch["x"].to(device)
                generator = step_generator(self.seed, distributed.rank(), number, device)
                values = nats(tokenizer, x, self.importance, generator)
                for name, value in zip(names, values, strict=True):
                    means[name].update(value.float())
                bar.update(task, advance=1)
        scores.add(
            {name: mean.compute() for name, mean in means.items()},
            split="test",
            n=len(parts.data.test_dataset),
            unit="nats an image",
            likelihood="Bernoulli",
            importance=self.importance,
            seed=self.seed,
        )


def nats(
    tokenizer: Tokenizer,
    x: Float[Tensor, "b c h w"],
    draws: int,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, " b"], ...]:
    """Log likelihood, its bound, KL and mean log probability of the pixels, of each image."""
    encoded: Encoded = tokenizer.encode({"x": x}, generator)
    raw = encoded.raw.repeat_interleave(draws, 0)
    z = tokenizer.bottleneck.latent(raw, generator)
    errors = bernoulli(x.repeat_interleave(draws, 0), tokenizer.decode(z)["x"])
    log_p = -errors.flatten(1).double().sum(1).view(len(x), draws)
    weighted = log_p - tokenizer.bottleneck.log_ratio(raw, z).view(len(x), draws)
    log_likelihood = torch.logsumexp(weighted, 1) - math.log(draws)
    kl = tokenizer.bottleneck.divergence(encoded.raw.double())
    reconstruction = log_p.mean(1)
    return log_likelihood, reconstruction - kl, kl, reconstruction
