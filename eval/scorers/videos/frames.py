"""The Fréchet distance between frames of sampled and of real videos."""

from dataclasses import dataclass
from typing import Literal

import torch

from eval.metrics import frames_of, to_uint8
from eval.record import Record
from eval.scorers.distribution import DistributionScores
from eval.scorers.drawn import drawn_share
from eval.scorers.pixel_scorer import BY_FILE
from eval.scorers.scorer import BatchedScorer, check_samples, check_split
from eval.scorers.videos.motion import check_videos
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.progress import tracked
from ldm.run.parts import Parts

__all__ = ["FrameDistance"]


@dataclass
class FrameDistance(BatchedScorer):
    """FID of all frames of samples from all frames of a split: `frame_fid`; motion does not count.

    Attributes:
        samples: number of samples drawn.
        reference: split of the real clips.
    """

    samples: int = 2048
    reference: Literal["train", "test"] = "train"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self.samples)

    def check(self, parts: Parts) -> None:
        check_videos(parts)
        check_split(parts.data, self.reference, 1, "a Fréchet distance of frames")
        try:
            BY_FILE["inception"]("tf1")
        except ValueError as error:
            raise ConfigError(f"the FID of frames cannot be computed: {error}") from error

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        if parts.prior is None:
            return
        data, device = parts.data, distributed.device()
        extractor = record.once(
            ("extractor", "inception", "tf1"), lambda: BY_FILE["inception"]("tf1").to(device)
        )
        distance = DistributionScores(extractor, full=False).to(device)
        for batch in tracked("real frames", self.batches(data, self.reference)):
            distance.update(frames_of(to_uint8(batch["x"].to(device))), real=True)
        share = drawn_share(parts, record, self.samples, self.seed, self.batch_size)
        for batch, _ in share:
            distance.update(frames_of(to_uint8(batch["x"].to(device))), real=False)
        found = {f"frame_{name}": value for name, value in distance.compute().items()}
        counts = {"n": self.samples, "n_reference": len(data.dataset_of(self.reference))}
        facts = {"reference": self.reference, "frames": data.shape[1], "pixels": "bytes"}
        record.add(found, **counts, **facts, seed=self.seed, **extractor.protocol)
