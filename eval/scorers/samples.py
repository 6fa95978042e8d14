"""Scores of a prior: its samples against held-out data, and whether they are of the asked class."""

from typing import Literal

import torch
from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor
from torchmetrics import MeanMetric

from data.images.grid import save_picture
from eval.extractors import Extractor
from eval.metrics import to_uint8
from eval.record import Scores
from eval.scorers.distribution import DistributionScores
from eval.scorers.scorer import Evaluation
from ldm import distributed
from ldm.bottlenecks import Bottleneck
from ldm.run.folder import Run
from ldm.run.parts import Parts
from ldm.run.sampling import draw_share

__all__ = ["off_manifold", "score_floor", "score_samples"]

REMEMBERED = 10_000  # reference features for KID, precision and recall, as in ADM's evaluations


@torch.no_grad()
def score_samples(
    parts: Parts,
    evaluation: Evaluation,
    extractor: Extractor,
    scores: Scores,
    reference: Literal["train", "test"] = "test",
) -> None:
    """Draw samples, classes in turn; writes `samples.png`.

    Args:
        parts: with a prior.
        evaluation: how many samples, in which batches.
        extractor: what sees them.
        scores: where numbers go.
        reference: split that samples are compared with.
    """
    data, device = parts.data, distributed.device()
    distance = DistributionScores(extractor, evaluation.seed).to(device)
    every = _every(parts, reference)
    for batch in evaluation.batches(data, reference):
        remembered = (batch["index"] % every == 0).to(device)
        distance.update(to_uint8(batch["x"].to(device)), real=True, remembered=remembered)
    asked = MeanMetric().to(device)
    judged, off = False, []
    share = draw_share(parts, evaluation.samples, evaluation.seed, evaluation.batch_size)
    for number, (batch, latent) in enumerate(share):
        off.append(off_manifold(parts.tokenizer.bottleneck, latent))
        logits = distance.update(to_uint8(batch["x"]), real=False)
        if logits is not None and logits.shape[1] == data.classes:
            judged = True  # the extractor knows these very classes
            asked.update((logits.argmax(1) == batch["label"].to(device)).float())
        if number == 0 and distributed.rank() == 0:
            path = Run(parts.config.run).folder / "samples.png"
            first = {key: value[:100] for key, value in batch.items()}
            save_picture(path, data.show(first, columns=10))
    protocol = _protocol(parts, evaluation, reference) | extractor.protocol
    scores.add(distance.compute(), **protocol)
    if parts.tokenizer.bottleneck.manifold is not None:
        every_off = distributed.interleave(torch.cat(off), evaluation.samples)
        scores.add({"latents_off": every_off.median()}, **protocol)
    if judged:
        scores.add({"label_accuracy": asked.compute()}, **protocol)


def off_manifold(bottleneck: Bottleneck, latent: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """How far each latent is from the manifold that the tokenizer makes its own on.

    Rounding, for priors that live there; 0 where there is no manifold.
    """
    if bottleneck.manifold is None:
        return latent.new_zeros(len(latent))
    return (latent - bottleneck.manifold.project(latent)).flatten(1).norm(dim=1)


@torch.no_grad()
def score_floor(parts: Parts, evaluation: Evaluation, extractor: Extractor, scores: Scores) -> None:
    """The Fréchet distance of training from test data: what a perfect memory would score."""
    data, device = parts.data, distributed.device()
    floor = DistributionScores(extractor, full=False).to(device)
    for split in ("test", "train"):
        for batch in evaluation.batches(data, split):
            floor.update(to_uint8(batch["x"].to(device)), real=split == "test")
    named = {f"{name}_floor": value for name, value in floor.compute().items()}
    sizes = {"n": len(data.train_dataset), "n_reference": len(data.test_dataset)}
    scores.add(named, split="train", reference="test", **sizes, **extractor.protocol)


def _every(parts: Parts, reference: str) -> int:
    """One in so many reference pictures is remembered, so that at most `REMEMBERED` are."""
    return -(-len(getattr(parts.data, f"{reference}_dataset")) // REMEMBERED)


def _protocol(parts: Parts, evaluation: Evaluation, reference: str) -> dict:
    config, data = parts.config, parts.data
    return {
        "n": evaluation.samples,
        "reference": reference,
        "n_reference": len(getattr(data, f"{reference}_dataset")),
        "remembered": f"1 in {_every(parts, reference)} of the reference",
        "labels": "in turn" if data.classes else "none",
        "sampler": OmegaConf.to_container(config.sampler),
        "network_calls": parts.prior.network_calls,
        "guidance": OmegaConf.to_container(config.guidance),
        "seed": evaluation.seed,
        "pixels": "bytes",
    }
