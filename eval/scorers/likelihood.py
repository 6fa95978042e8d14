"""How runs on points of manifolds are scored: likelihood, what follows from it, and samples."""

import math
import warnings
from dataclasses import dataclass, field

import torch
from omegaconf import OmegaConf
from torch import Tensor

from data import DataModule
from data.images.grid import save_picture
from data.points.base import Points
from eval.metrics import (
    GaussianKernel,
    detection_scores,
    discrepancy,
    effective_sample_size,
    kernel_density_nll,
    median_distance,
)
from eval.record import Scores
from eval.scorers.scorer import Evaluation
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.randomness import step_generator
from ldm.run.folder import Run
from ldm.run.parts import Parts
from ldm.run.sampling import draw_share, gather
from ldm.samplers import Likelihood, Unsolved
from ldm.tokenizers import Tokenizer
from ldm.training.progress import progress_bar

__all__ = ["PointEvaluation"]

SPLITS = ("train", "val", "test")
PEAKS = 1000  # samples at most, round which a density is drawn finely: each costs likelihoods
SEEN = 1e-3  # tolerance of likelihoods that are only drawn: colours show no more


@dataclass
class PointEvaluation(Evaluation):
    """Scores a prior whose latents are the data, points of a space, or coordinates of them.

    Data may offer more to score by, see `Points`: sets `outside`, to be told from it by their
    likelihoods (`auroc_<set>` and its kin); a `log_density`, to compare likelihoods with; an
    `action`, by which samples are weighed (`ess`, their effective size as a share of them); and a
    `chart`, on which the density is drawn (`density.png`).

    Attributes:
        likelihood: how log densities are found.
        samples: how many are drawn, for pictures and the maximum mean discrepancy.
        batch_size: of likelihoods and draws.
        mass: points spread over the space on which the density is summed up; it should come to 1.
            0 for spaces of infinite volume, or of too many dimensions for a sum to mean anything.
        kernel_share: of the uniform law, beside a kernel estimate of density whose likelihood is
            reported too; None for no such estimate.
        kernel_groups: spheres, or circles, that a point consists of, for that estimate.
        seed: of samples and probes.
    """

    likelihood: Likelihood = field(default_factory=Likelihood)
    samples: int = 2000
    batch_size: int = 2000
    mass: int = 0
    kernel_share: float | None = None
    kernel_groups: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 2:
            raise ValueError(f"samples must be 2 or more, got {self.samples}")
        if self.mass < 0 or self.kernel_groups < 1 or not 0 <= (self.kernel_share or 0) < 1:
            raise ValueError(
                f"mass must be 0 or more, kernel_groups 1 or more and kernel_share in [0, 1), got "
                f"{self.mass}, {self.kernel_groups} and {self.kernel_share}"
            )

    def check(self, data: DataModule, tokenizer: Tokenizer) -> None:
        if not isinstance(data, Points):
            raise ConfigError(
                f"{data.name} holds no points of a manifold: choose another eval=, classifier or "
                f"inception"
            )
        if "val" not in data.held:
            raise ConfigError(f"{data.name} has no val split: choose another eval=")
        if self.mass and math.isinf(tokenizer.space.log_volume):
            raise ConfigError(
                f"{tokenizer.space} has no volume to sum a density over: set eval.mass=0"
            )
        for name in data.outside:
            data.ood_dataset(name)

    def score(self, parts: Parts, scores: Scores) -> None:
        if parts.prior is None:
            raise ConfigError(
                f"{parts.config.run} has no trained prior to score: finish it with train.py"
            )
        space = parts.tokenizer.space
        protocol = {
            "unit": "nats a point, against the volume of the space of the data",
            "latent_space": repr(space),
            "likelihood": OmegaConf.to_container(parts.config.eval.likelihood),
            "process": OmegaConf.to_container(parts.config.prior.process),
            "splits": OmegaConf.to_container(parts.config.data),
            "seed": parts.config.seed,
        }
        log_prob = {}
        for split in ("test", "val"):
            found = log_prob[split] = self._log_prob(parts, _points(parts.data, split))
            name = "nll" if split == "test" else "nll_val"
            error = found.std() / len(found) ** 0.5
            calls = parts.prior.network_calls
            kept = {"split": split, "n": len(found), "network_calls": calls, **protocol}
            scores.add({name: -found.mean(), f"{name}_stderr": error}, **kept)
            if split == "test":
                scores.add({"nll_per_dim": -found.mean() / space.dim}, **kept)
        if self.mass:
            points = space.spread(self.mass)
            density = self._log_prob(parts, points.to(torch.float32)).double().exp()
            volume = math.exp(space.log_volume)
            scores.add({"mass": density.mean() * volume}, n=self.mass, **protocol)
        self._score_references(parts, scores)
        self._score_detection(parts, scores, protocol, log_prob["test"], log_prob["val"])
        x = self._draw(parts, scores, protocol)
        self._score_weights(parts, scores, protocol, x)
        self._draw_density(parts, x)

    def _log_prob(self, parts: Parts, x: Tensor, likelihood: Likelihood | None = None) -> Tensor:
        """Log densities of points, the work shared among ranks; every rank returns all."""
        likelihood = likelihood or self.likelihood
        device, found = distributed.device(), []
        mine = x[distributed.rank() :: distributed.world()]
        with progress_bar() as bar:
            task = bar.add_task("likelihood", total=len(mine), remarks="")
            for part in mine.split(self.batch_size):
                generator = step_generator(self.seed, 0, 0, device)
                part = part.to(device)
                latent = parts.tokenizer.normalize(parts.tokenizer.encode({"x": part}).raw)
                log_prob = parts.prior.log_prob(latent, {}, likelihood, generator)
                found.append((log_prob + parts.tokenizer.log_volume_change(part)).cpu())
                bar.update(task, advance=len(part))
        return distributed.interleave(torch.cat(found), len(x))

    def _score_references(self, parts: Parts, scores: Scores) -> None:
        """What the data's own law scores, where it is known, and what a kernel estimate does."""
        test = _points(parts.data, "test")
        log_density = parts.data.log_density(test)
        if log_density is not None:
            nll = -log_density.mean()
            per_dim = nll / parts.tokenizer.space.dim
            found = {"nll_of_the_law": nll, "nll_per_dim_of_the_law": per_dim}
            scores.add(found, split="test", n=len(test))
        if self.kernel_share is not None:
            splits = [parts.tokenizer.space.embed(_points(parts.data, s)) for s in SPLITS]
            given = {"groups": self.kernel_groups, "share": self.kernel_share}
            found = kernel_density_nll(*splits, **given)
            scores.add({"nll_kernel": found["nll"]}, split="test", kappa=found["kappa"], **given)

    def _score_detection(
        self, parts: Parts, scores: Scores, protocol: dict, test: Tensor, val: Tensor
    ) -> None:
        """How well log densities tell test points from those of each set outside."""
        for name in parts.data.outside:
            outside = self._log_prob(parts, parts.data.ood_dataset(name).points)
            found = detection_scores(test, outside, val)
            kept = {"inside": "test", "outside": name, "validation": "val", "score": "log density"}
            kept |= {"n": len(test), "n_outside": len(outside), "n_validation": len(val)}
            scores.add({f"{key}_{name}": value for key, value in found.items()}, **kept, **protocol)

    def _draw(self, parts: Parts, scores: Scores, protocol: dict) -> Tensor:
        """Samples, compared with data in numbers and in `samples.png`."""
        share = draw_share(parts, self.samples, self.seed, self.batch_size)
        batch = gather((drawn.batch for drawn in share), self.samples)
        calls, x = parts.prior.network_calls, batch["x"]
        test = _points(parts.data, "test")[: self.samples]
        embed = parts.tokenizer.space.embed
        kernel = GaussianKernel(median_distance(embed(test)).item())
        found = discrepancy(embed(x), embed(test), kernel)
        sampler = OmegaConf.to_container(parts.config.sampler)
        kept = {"n": len(x), "n_reference": len(test), "sampler": sampler, "network_calls": calls}
        kept |= {"kernel": "Gaussian of chords, their median in the test split for bandwidth"}
        values = {"mmd2": found.unbiased, "mmd2_null_std": found.null_std}
        scores.add(values, **kept, **protocol)
        if distributed.rank() == 0:
            save_picture(Run(parts.config.run).folder / "samples.png", parts.data.show(batch))
        return x

    def _score_weights(self, parts: Parts, scores: Scores, protocol: dict, x: Tensor) -> None:
        """What share of samples of the target the model's own are worth."""
        action = parts.data.action(x)
        if action is not None:
            found = effective_sample_size(-action, self._log_prob(parts, x))
            sampler = OmegaConf.to_container(parts.config.sampler)
            scores.add({"ess": found}, n=len(x), sampler=sampler, **protocol)

    def _draw_density(self, parts: Parts, x: Tensor) -> None:
        chart = parts.data.chart()
        if chart is None:
            return
        seen = Likelihood(tolerance=max(self.likelihood.tolerance, SEEN))
        try:
            log_density = chart.values(lambda y: self._log_prob(parts, y, seen), x[:PEAKS])
        except Unsolved as error:  # of points where nobody has looked; the scores are there
            warnings.warn(f"no density is drawn: {error}", stacklevel=2)
            return
        if distributed.rank() == 0:
            picture = chart.draw(_points(parts.data, "test"), x, log_density)
            save_picture(Run(parts.config.run).folder / "density.png", picture)


def _points(data: DataModule, split: str) -> Tensor:
    return torch.cat([batch["x"] for batch in data.ordered_batches(split, 4096)])
