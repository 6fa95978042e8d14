"""Scores of a tokenizer: similarity of reconstructions, their distribution, codebook usage."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader

from data import Batch, DataModule
from eval.metrics import CodebookUsage, PairScores, frames_of, to_uint8
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
    """Reconstructs the test split from the posterior's mode; writes `reconstructions.png`.

    `psnr`, `ssim`, and optionally `lpips`, of images, or frames of videos, and their
    reconstructions; `flicker` of videos; usage of the codebook, if there is one of at most 2^20
    codes; with an extractor, also the Fréchet distance of both sets.

    Attributes:
        extractor: None to compute only scores that need none.
        lpips: also compute LPIPS, which needs its weights.
        images: at most so many of the split, chosen at random by `seed`; None for all.

    Raises:
        ValueError: `images` is less than 2, or see `BatchedScorer`.
    """

    extractor: ExtractorName | None = None
    lpips: bool = False
    images: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images is not None:
            check_samples(self.images)

    def check(self, parts: Parts) -> None:
        super().check(parts)
        if self.extractor is not None:
            least, _ = DistributionScores.fewest(full=False)
            check_split(parts.data, "test", least, "the Fréchet distance of reconstructions")

    def check_weights(self, data: DataModule) -> None:
        if self.lpips:
            x = frames_of(torch.zeros(1, *data.shape))[:1]
            LPIPS("alex")(x, x)

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        data, tokenizer, device = parts.data, parts.tokenizer, distributed.device()
        pairs = PairScores(LPIPS("alex") if self.lpips else None).to(device)
        distance = extractor = usage = None
        if self.extractor is not None:
            extractor = self.build_extractor(data, record)
            distance = DistributionScores(extractor, full=False).to(device)
        bottleneck = tokenizer.bottleneck
        if isinstance(bottleneck, DiscreteBottleneck) and bottleneck.vocabulary <= COUNTED:
            usage = CodebookUsage(bottleneck.vocabulary, bottleneck.groups).to(device)
        n = min(self.images or len(data.test_dataset), len(data.test_dataset))
        shown = Shown(min(SHOWN, data.overview, n))
        for batch in map(to_device, tracked("reconstructions", self._batches(data, n))):
            reconstruction, encoded = tokenizer.reconstruct(batch)
            reconstruction["x"] = reconstruction["x"].float().clamp(-1, 1)
            real, fake = to_uint8(batch["x"]), to_uint8(reconstruction["x"])
            pairs.update(fake, real)
            if distance is not None:
                distance.update(real, real=True)
                distance.update(fake, real=False)
            if usage is not None:
                usage.update(encoded.codes)
            shown.add({**batch, "reconstruction": reconstruction["x"]})
        first = shown.gather()
        if distributed.rank() == 0:
            record.show("reconstructions", data.show(_side_by_side(first), columns=8))
        protocol = {
            "split": "test",
            "n": n,
            "posterior": "mode",
            "pixels": "bytes",
        }
        record.add(pairs.compute(), **protocol)
        if distance is not None:
            named = {f"r{name}": value for name, value in distance.compute().items()}
            record.add(named, **protocol, **extractor.protocol)
        if usage is not None:
            record.add({f"codebook_{k}": v for k, v in usage.compute().items()}, **protocol)

    def _batches(self, data: DataModule, n: int) -> Sequence[Batch] | DataLoader:
        """Batches of this rank's share of the test split, or of `n` images of it."""
        if n == len(data.test_dataset):
            return self.batches(data, "test")
        chosen = self.subset(data, "test", n)
        share = {key: x[distributed.rank() :: distributed.world()] for key, x in chosen.items()}
        cuts = {key: x.split(self.batch_size) for key, x in share.items()}
        count = len(cuts["index"])
        return [{key: parts[k] for key, parts in cuts.items()} for k in range(count)]


def _side_by_side(batch: Batch) -> Batch:
    """Interleave samples with their reconstructions."""
    return {"x": torch.stack([batch["x"], batch["reconstruction"]], 1).flatten(0, 1)}
