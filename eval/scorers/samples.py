"""Scores of a prior: its samples against held-out data, and whether they are of the asked class."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor
from torchmetrics import MeanMetric

from data.images.grid import save_picture
from eval.metrics import to_uint8
from eval.record import Record
from eval.scorers.distribution import DistributionScores
from eval.scorers.image_scorer import ImageScorer
from eval.scorers.scorer import check_samples, to_device
from ldm import distributed
from ldm.bottlenecks import Bottleneck
from ldm.run.folder import Run
from ldm.run.parts import Parts
from ldm.run.sampling import draw_share

__all__ = ["Samples", "off_manifold"]

REMEMBERED = 10_000  # reference features for KID, precision and recall, as in ADM's evaluations


@dataclass
class Samples(ImageScorer):
    """Draws samples, classes in turn, where there is a prior; writes `samples.png`.

    Fréchet and kernel distance, inception score, precision, recall, density and coverage; the share
    of samples that are of the class asked for, if the extractor knows these classes; and how far
    latents are off the tokenizer's manifold, if it has one.

    Attributes:
        samples: how many are drawn.
        reference: split that they are compared with.
    """

    samples: int = 1000
    reference: Literal["train", "test"] = "test"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self.samples)

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        if parts.prior is None:
            return
        data, device = parts.data, distributed.device()
        extractor = self.build_extractor(data, record)
        distance = DistributionScores(extractor, self.seed).to(device)
        every = self._every(parts)
        for batch in map(to_device, self.batches(data, self.reference)):
            remembered = batch["index"] % every == 0
            distance.update(to_uint8(batch["x"]), real=True, remembered=remembered)
        asked = MeanMetric().to(device)
        judged, off = False, []
        share = draw_share(parts, self.samples, self.seed, self.batch_size)
        for number, (batch, latent) in enumerate(share):
            off.append(off_manifold(parts.tokenizer.bottleneck, latent))
            logits = distance.update(to_uint8(batch["x"].to(device)), real=False)
            if logits is not None and logits.shape[1] == data.classes:
                judged = True  # the extractor knows these very classes
                asked.update((logits.argmax(1) == batch["label"].to(device)).float())
            if number == 0 and distributed.rank() == 0:
                path = Run(parts.config.run).folder / "samples.png"
                first = {key: value[:100] for key, value in batch.items()}
                save_picture(path, data.show(first, columns=10))
        protocol = self._protocol(parts) | extractor.protocol
        record.add(distance.compute(), **protocol)
        if parts.tokenizer.bottleneck.manifold is not None:
            every_off = distributed.interleave(torch.cat(off), self.samples)
            record.add({"latents_off": every_off.median()}, **protocol)
        if judged:
            record.add({"label_accuracy": asked.compute()}, **protocol)

    def _every(self, parts: Parts) -> int:
        """One in so many reference pictures is remembered, so that at most `REMEMBERED` are."""
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
    """How far each latent is from the manifold that the tokenizer makes its own on.

    Rounding, for priors that live there; 0 where there is no manifold.
    """
    if bottleneck.manifold is None:
        return latent.new_zeros(len(latent))
    return (latent - bottleneck.manifold.project(latent)).flatten(1).norm(dim=1)
