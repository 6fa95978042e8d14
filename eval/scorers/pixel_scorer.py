"""The base class of scorers of images and videos, with their feature extractor."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from data import DataModule
from data.files.roots import cache_folder
from data.files.whole import check_writable
from data.images.base import Images
from data.videos.base import Videos
from eval.extractors import (
    Classifier,
    CLIPFeatures,
    DINOv2Features,
    Extractor,
    Inception,
    MotionClassifier,
)
from eval.extractors.trained import TrainedExtractor
from eval.record import Record
from eval.scorers.scorer import BatchedScorer
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.run.parts import Parts

__all__ = ["BY_FILE", "TRAINED", "ExtractorName", "PixelScorer"]

ExtractorName = Literal["inception", "classifier", "dinov2", "clip", "motion_classifier"]

BY_FILE: dict[str, Callable[[str], Extractor]] = {
    "inception": Inception,
    "dinov2": lambda resize: DINOv2Features(),
    "clip": lambda resize: CLIPFeatures(),
}
"""Extractors with published weights, by name; Inception alone has a choice of resize."""


TRAINED: dict[str, type[TrainedExtractor]] = {
    "classifier": Classifier,
    "motion_classifier": MotionClassifier,
}
"""Extractors that are trained on the evaluated data, by name."""


@dataclass
class PixelScorer(BatchedScorer):
    """A scorer of images or videos through one feature extractor.

    Attributes:
        extractor: `inception` for FID and related scores; `dinov2` for FD-DINOv2 and the kernel
            distance on it, `fd_dinov2` and `kd_dinov2`; `clip` for CMMD; `classifier` for a small
            network trained on the labelled data, which needs no download. Scores on all but
            Inception end in the extractor's name. Of videos, `motion_classifier`, a small network
            trained on motions and labels of the data.
        resize: method that resizes Inception's input.
    """

    extractor: ExtractorName = "classifier"
    resize: Literal["tf1", "antialias", "pytorch_fid", "clean"] = "tf1"

    def check(self, parts: Parts) -> None:
        """Check that the data can be scored, and weights kept; fetch missing ones.

        Raises:
            ConfigError: weights are unavailable, damaged or not for such data, or cannot be kept.
        """
        data = parts.data
        if not isinstance(data, Images | Videos):
            raise ConfigError(f"{data.name} holds no images: choose eval=points")
        reads = Videos if self.extractor == "motion_classifier" else Images
        if self.extractor is not None and not isinstance(data, reads):
            raise ConfigError(
                f"eval.extractor={self.extractor} reads {reads.__name__.lower()}, and {data.name} "
                f"holds others: choose eval=motion for videos, eval=classifier for images"
            )
        if self.extractor in TRAINED and TRAINED[self.extractor].needs_labels and not data.classes:
            raise ConfigError(
                f"{data.name} has no labels to train a classifier on: choose eval=inception, or "
                f"eval=reconstructions, which needs no extractor"
            )
        try:
            if self.extractor in BY_FILE:
                _find(self.extractor, self.resize, cache_folder())
            elif self.extractor in TRAINED:
                path = TRAINED[self.extractor].path(data, cache_folder() / "classifiers")
                if not path.is_file():
                    check_writable(path)
            self.check_weights(data)
        except ValueError as error:
            raise ConfigError(f"eval cannot be done: {error}") from error

    def check_weights(self, data: DataModule) -> None:
        """Check weights that a scorer needs in addition to the extractor.

        Raises:
            ValueError: they are unavailable, damaged or not for such data.
        """

    def build_extractor(self, data: DataModule, record: Record) -> Extractor:
        """Build the extractor on this process's device, once for all scorers of a run.

        Raises:
            ValueError: problems that `check` finds.
        """
        key = ("extractor", self.extractor, self.resize)
        return record.once(key, lambda: self._first_rank_first(data).to(distributed.device()))

    def _first_rank_first(self, data: DataModule) -> Extractor:
        """Build on the first rank, which downloads or trains, then on the others from the cache."""
        if distributed.rank() == 0:
            made = self._build(data)
            distributed.barrier()
            return made
        distributed.barrier()
        return self._build(data)

    def _build(self, data: DataModule) -> Extractor:
        if self.extractor in BY_FILE:
            return BY_FILE[self.extractor](self.resize)
        return TRAINED[self.extractor].trained(data, cache_folder() / "classifiers")


@cache
def _find(extractor: str, resize: str, folder: Path) -> None:
    """Check that an extractor with published weights can be built, once per process."""
    BY_FILE[extractor](resize)
