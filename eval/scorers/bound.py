"""The variational bound of held-out data under a diffusion in discrete time."""

import math
from dataclasses import dataclass

import torch

from eval.record import Record
from eval.scorers.scorer import BatchedScorer, check_split, to_device
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.priors import Denoiser
from ldm.progress import progress
from ldm.randomness import sample_generators
from ldm.run.parts import Parts
from ldm.spaces import Flat

__all__ = ["Bound"]


@dataclass
class Bound(BatchedScorer):
    """Negative log likelihood of the test split in nats a sample, at most: `nll_bound`.

    Of latents on a grid it is given in bits per dimension, too: `bits_per_dim_bound`.

    It is of normalised latents, with what an `AtomFeatures` says of discrete ones, and estimated at
    one time a sample, whatever the weighting that the prior was trained with. Minus the log
    probability of what samples are asked for, such as their numbers of atoms, is part of it.
    """

    def check(self, parts: Parts) -> None:
        if not isinstance(parts.prior, Denoiser) or not parts.prior.objective.has_bound:
            raise ConfigError(
                "only a prior with the objective ldm.objectives.VariationalBound or "
                "LearnedVariance has a bound of its likelihood: take bound out of eval.scorers"
            )
        check_split(parts.data, "test", 2, "a standard error")

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        batches, n = self.batches(parts.data, "test"), len(parts.data.test_dataset)
        found = []
        with progress("bound", len(batches)) as advance:
            for batch in batches:
                generators = sample_generators(self.seed, batch["index"].tolist())
                found.append(self._of(parts, to_device(batch), generators).cpu())
                advance(1)
        nats = distributed.interleave(torch.cat(found), n).double()
        values = {"nll_bound": nats.mean(), "nll_bound_stderr": nats.std() / n**0.5}
        if type(space := parts.tokenizer.space) is Flat:
            values["bits_per_dim_bound"] = nats.mean() / math.log(2) / space.dim
        record.add(values, split="test", n=n, unit="nats a sample", seed=self.seed)

    def _of(self, parts: Parts, batch: dict, generators: list) -> torch.Tensor:
        encoded = parts.tokenizer.encode(batch, generators)
        context = {**batch, **encoded.context}
        latent = parts.tokenizer.normalize(encoded.raw, generators, context).float()
        found = parts.prior.bound(latent, context, generators)
        return found - parts.data.log_prob_of_requests(batch).to(found)
