"""Scores of a prior's samples: distance from held-out data, and accuracy of their labels."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor
from torchmetrics import MeanMetric

from eval.metrics import to_uint8
from eval.metrics.extrapolation import FEWEST
from eval.record import Record
from eval.scorers.distribution import DistributionScores
from eval.scorers.drawn import drawn_share
from eval.scorers.pixel_scorer import PixelScorer
from eval.scorers.scorer import Shown, check_samples, check_split, to_device
from ldm import distributed
from ldm.bottlenecks import Bottleneck
from ldm.config.compose import ConfigError
from ldm.progress import tracked
from ldm.run.parts import Parts

__all__ = ["Samples", "off_manifold"]

REMEMBERED = 10_000  # reference features for KD, precision and recall, as in ADM's evaluations


@dataclass
class Samples(PixelScorer):
    """Scores samples of the prior, if there is one, with cyclic labels; writes `samples.png`.

    Fréchet and kernel distance, inception score, precision, recall, density and coverage; the
    accuracy of the labels that samples are conditioned on, if the extractor classifies them; and
    the distance of latents from the tokenizer's manifold, if it has one.

    Attributes:
        samples: number of samples drawn.
        infinity: also extrapolate the Fréchet distance to infinitely many samples (FID-infinity).
        reference: split that samples are compared with.
    """

    samples: int = 1000
    infinity: bool = False
    reference: Literal["train", "test"] = "test"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self.samples)

    def check(self, parts: Parts) -> None:
        super().check(parts)
        if parts.prior is None:
            return
        reference, generated = DistributionScores.fewest()
        check_split(parts.data, self.reference, reference, "the comparison of samples with data")
        if self.samples < generated:
            raise ConfigError(
                f"samples must be {generated} or more, one for each part of the inception "
                f"score and more than the neighbours of precision and recall, got {self.samples}"
            )
        if self.infinity and self.samples < FEWEST:
            raise ConfigError(f"infinity needs {FEWEST} samples or more, got {self.samples}")

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        if parts.prior is None:
            return
        data, device = parts.data, distributed.device()
        extractor = self.build_extractor(data, record)
        distance = DistributionScores(extractor, self.seed, infinity=self.infinity).to(device)
        every = self._every(parts)
        for batch in map(to_device, tracked("reference", self.batches(data, self.reference))):
            remembered = batch["index"] % every == 0
            distance.update(to_uint8(batch["x"]), real=True, remembered=remembered)
        asked = MeanMetric().to(device)
        judged, off = False, []
        share = drawn_share(parts, record, self.samples, self.seed, self.batch_size)
        shown = Shown(min(data.overview, self.samples))
        for batch, latent in share:
            shown.add(batch)
            if latent is not None:
                off.append(off_manifold(parts.tokenizer.bottleneck, latent))
            logits = distance.update(to_uint8(batch["x"].to(device)), real=False)
            if logits is not None and logits.shape[1] == data.classes:
                judged = True  # the extractor classifies into the classes of the data
                asked.update((logits.argmax(1) == batch["label"].to(device)).float())
        first = shown.gather()
        if distributed.rank() == 0:
            record.show("samples", data.show(first, columns=10))
        protocol = self._protocol(parts) | extractor.protocol
        record.add(distance.compute(), **protocol)
        if parts.tokenizer.bottleneck.manifold is not None:
            every_off = distributed.interleave(torch.cat(off), self.samples)
            record.add({"latents_off": every_off.median()}, **protocol)
        if judged:
            record.add({"label_accuracy": asked.compute()}, **protocol)

    def _every(self, parts: Parts) -> int:
        """Stride of the reference pictures that are kept, so that at most `REMEMBERED` are."""
        return -(-len(parts.data.dataset_of(self.reference)) // REMEMBERED)

    def _protocol(self, parts: Parts) -> dict[str, Any]:
        config, data = parts.config, parts.data
        return {
            "n": self.samples,
            "reference": self.reference,
            "n_reference": len(data.dataset_of(self.reference)),
            "remembered": f"1 in {self._every(parts)} of the reference",
            "labels": "in turn" if data.classes else "none",
            "sampler": OmegaConf.to_container(config.sampler),
            "network_calls": parts.prior.network_calls,
            "guidance": OmegaConf.to_container(config.guidance),
            "seed": self.seed,
            "pixels": "bytes",
        }


def off_manifold(bottleneck: Bottleneck, latent: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """Distance of each latent from the manifold of the tokenizer's latents; 0 without a manifold.

    For priors on that manifold it is rounding error only.
    """
    if bottleneck.manifold is None:
        return latent.new_zeros(len(latent))
    return (latent - bottleneck.manifold.project(latent)).flatten(1).norm(dim=1)
