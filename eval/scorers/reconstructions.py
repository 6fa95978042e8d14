"""Scores of a tokenizer: similarity of reconstructions, their distribution, codebook usage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.utils.data import DataLoader

from data import Batch, DataModule
from eval.extractors import Extractor
from eval.metrics import CodebookUsage, InceptionScore, PairScores, frames_of, to_uint8
from eval.record import Record
from eval.scorers.distribution import DistributionScores
from eval.scorers.pixel_scorer import ExtractorName, PixelScorer
from eval.scorers.scorer import Shown, check_samples, check_split, to_device
from ldm import distributed
from ldm.bottlenecks import DiscreteBottleneck
from ldm.bottlenecks.digits import COUNTED
from ldm.losses import LPIPS
from ldm.progress import tracked
from ldm.run.parts import Parts

__all__ = ["Reconstructions"]

SHOWN = 32  # pairs in the picture


@dataclass
class Reconstructions(PixelScorer):
    """Reconstructs a split from the posterior's mode; writes `reconstructions.png`.

    `psnr`, `ssim`, and optionally LPIPS, of images, or frames of videos, and their reconstructions;
    `flicker` of videos; usage of the codebook, if there is one of at most 2^20 codes; with an
    extractor, also the Fréchet distance of both sets, and the inception score of reconstructions if
    it classifies: `rfid`, `rinception_score`.

    Attributes:
        extractor: None to compute only scores that need none.
        lpips: also compute LPIPS on AlexNet, `lpips`, which needs its weights.
        lpips_vgg: also compute LPIPS on VGG, `lpips_vgg`, which is CompVis's PSIM.
        images: at most so many of the split, chosen at random by `seed`; None for all.
        split: that is reconstructed.
        against_train: also compute the Fréchet distance from the whole train split, `rfid_train`.

    Raises:
        ValueError: `images` is less than 2, or see `BatchedScorer`.
    """

    extractor: ExtractorName | None = None
    lpips: bool = False
    lpips_vgg: bool = False
    images: int | None = None
    split: Literal["train", "test"] = "test"
    against_train: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images is not None:
            check_samples(self.images)
        if self.against_train and self.extractor is None:
            raise ValueError("against_train needs an extractor: set eval.extractor=inception")

    def check(self, parts: Parts) -> None:
        super().check(parts)
        if self.extractor is not None:
            least, _ = DistributionScores.fewest(full=False)
            check_split(parts.data, self.split, least, "the Fréchet distance of reconstructions")

    def check_weights(self, data: DataModule) -> None:
        x = frames_of(torch.zeros(1, *data.shape))[:1]
        for distance in self._distances().values():
            distance(x, x)

    def _distances(self) -> dict[str, LPIPS]:
        wanted = {"lpips": (self.lpips, "alex"), "lpips_vgg": (self.lpips_vgg, "vgg")}
        return {name: LPIPS(network) for name, (chosen, network) in wanted.items() if chosen}

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        data, tokenizer, device = parts.data, parts.tokenizer, distributed.device()
        pairs, usage = PairScores(**self._distances()).to(device), None
        sets = None if self.extractor is None else self._sets(data, record)
        bottleneck = tokenizer.bottleneck
        if isinstance(bottleneck, DiscreteBottleneck) and bottleneck.vocabulary <= COUNTED:
            usage = CodebookUsage(bottleneck.vocabulary, bottleneck.groups).to(device)
        total = len(data.dataset_of(self.split))
        n = min(self.images or total, total)
        shown = Shown(min(SHOWN, data.overview, n))
        for batch in map(to_device, tracked("reconstructions", self._batches(data, n))):
            reconstruction, encoded = tokenizer.reconstruct(batch)
            reconstruction["x"] = reconstruction["x"].float().clamp(-1, 1)
            real, fake = to_uint8(batch["x"]), to_uint8(reconstruction["x"])
            pairs.update(fake, real)
            if sets is not None:
                sets.update(real, fake)
            if usage is not None:
                usage.update(encoded.codes)
            shown.add({**batch, "reconstruction": reconstruction["x"]})
        first = shown.gather()
        if distributed.rank() == 0:
            record.show("reconstructions", data.show(_side_by_side(first), columns=8))
        protocol = {"split": self.split, "n": n, "posterior": "mode", "pixels": "bytes"}
        record.add(pairs.compute(), **protocol)
        if usage is not None:
            record.add({f"codebook_{k}": v for k, v in usage.compute().items()}, **protocol)
        if sets is not None:
            protocol |= sets.extractor.protocol
            record.add(sets.compute(n), **protocol)
            if sets.train_distance is not None:
                for batch in map(to_device, tracked("train split", self.batches(data, "train"))):
                    sets.train_distance.update(to_uint8(batch["x"]), real=True)
                facts = {"reference": "train", "n_reference": len(data.train_dataset)}
                record.add(_named(sets.train_distance, "_train"), **protocol, **facts)

    def _sets(self, data: DataModule, record: Record) -> "_Sets":
        extractor = self.build_extractor(data, record)
        return _Sets(extractor, self.against_train).to(distributed.device())

    def _batches(self, data: DataModule, n: int) -> Sequence[Batch] | DataLoader:
        """Batches of this rank's share of the split, or of `n` images of it."""
        if n == len(data.dataset_of(self.split)):
            return self.batches(data, self.split)
        chosen = self.subset(data, self.split, n)
        share = {key: x[distributed.rank() :: distributed.world()] for key, x in chosen.items()}
        cuts = {key: x.split(self.batch_size) for key, x in share.items()}
        count = len(cuts["index"])
        return [{key: parts[k] for key, parts in cuts.items()} for k in range(count)]


class _Sets(nn.Module):
    """Scores of the set of reconstructions on one extractor, against originals and training data.

    Args:
        extractor: of the features.
        train: also compare with training data, which are given to `train_distance`.
    """

    def __init__(self, extractor: Extractor, train: bool) -> None:
        super().__init__()
        self.extractor = extractor
        self.distance = DistributionScores(extractor, full=False)
        self.train_distance = DistributionScores(extractor, full=False) if train else None
        self.inception = InceptionScore()

    def update(self, real: UInt8[Tensor, "n c *grid"], fake: UInt8[Tensor, "n c *grid"]) -> None:
        self.distance.update(real, real=True)
        logits = self.distance.update(fake, real=False)
        if self.train_distance is not None:
            self.train_distance.update(fake, real=False)
        if logits is not None:
            self.inception.update(logits)

    def compute(self, n: int) -> dict[str, Tensor]:
        """Compute scores of `n` reconstructions; an inception score needs one for each part."""
        found = _named(self.distance)
        if self.extractor.classifies and n >= self.inception.splits:
            found[f"r{self.distance.named('is')}"] = self.inception.compute()["mean"]
        return found


def _named(distance: DistributionScores, end: str = "") -> dict[str, Tensor]:
    return {f"r{name}{end}": value for name, value in distance.compute().items()}


def _side_by_side(batch: Batch) -> Batch:
    """Interleave samples with their reconstructions."""
    return {"x": torch.stack([batch["x"], batch["reconstruction"]], 1).flatten(0, 1)}
