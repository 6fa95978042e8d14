"""The Fréchet distance of the training set itself, a reference for that of samples."""

from dataclasses import dataclass

import torch

from eval.metrics import to_uint8
from eval.record import Record
from eval.scorers.distribution import DistributionScores
from eval.scorers.pixel_scorer import PixelScorer
from eval.scorers.scorer import check_split, to_device
from ldm import distributed
from ldm.progress import tracked
from ldm.run.parts import Parts

__all__ = ["Floor"]


@dataclass
class Floor(PixelScorer):
    """Fréchet distance between the whole train and test splits: `fd_floor` of the extractor.

    It is a reference for the distance of samples, so a run without a prior has none.
    """

    def check(self, parts: Parts) -> None:
        super().check(parts)
        if parts.prior is not None:
            for split, least in zip(
                ("test", "train"), DistributionScores.fewest(False), strict=True
            ):
                check_split(parts.data, split, least, "a Fréchet distance")

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        if parts.prior is None:
            return
        data, extractor = parts.data, self.build_extractor(parts.data, record)
        floor = DistributionScores(extractor, full=False).to(distributed.device())
        for split in ("test", "train"):
            for batch in map(to_device, tracked("floor", self.batches(data, split))):
                floor.update(to_uint8(batch["x"]), real=split == "test")
        named = {f"{name}_floor": value for name, value in floor.compute().items()}
        sizes = {"n": len(data.train_dataset), "n_reference": len(data.test_dataset)}
        record.add(named, split="train", reference="test", **sizes, **extractor.protocol)
