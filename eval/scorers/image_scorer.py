"""The base class of scorers of images, with their feature extractor."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from data import DataModule
from data.files.roots import cache_folder
from data.files.whole import check_writable
from data.images.base import Images
from eval.extractors import Classifier, Extractor, Inception
from eval.record import Record
from eval.scorers.scorer import BatchedScorer
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.run.parts import Parts

__all__ = ["ImageScorer"]


@dataclass
class ImageScorer(BatchedScorer):
    """A scorer of images through one feature extractor.

    Attributes:
        extractor: `inception` for FID and related scores; `classifier` for a small network trained
            on the labelled data, which needs no download and whose scores end in its name.
        resize: method that resizes Inception's input.
    """

    extractor: Literal["inception", "classifier"] = "classifier"
    resize: Literal["tf1", "antialias", "pytorch_fid", "clean"] = "tf1"

    def check(self, parts: Parts) -> None:
        """Check that the data can be scored, and weights kept; fetch missing ones.

        Raises:
            ConfigError: weights are unavailable, damaged or not for such data, or cannot be kept.
        """
        data = parts.data
        if not isinstance(data, Images):
            raise ConfigError(f"{data.name} holds no images: choose eval=points")
        if self.extractor == "classifier" and not data.classes:
            raise ConfigError(
                f"{data.name} has no labels to train a classifier on: choose eval=inception, or "
                f"eval=reconstructions, which needs no extractor"
            )
        try:
            if self.extractor == "inception":
                _find_inception(self.resize, cache_folder())
            elif not (path := Classifier.path(data, cache_folder() / "classifiers")).is_file():
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
        if self.extractor == "inception":
            return Inception(self.resize)
        return Classifier.trained(data, cache_folder() / "classifiers")


@cache
def _find_inception(resize: str, folder: Path) -> None:
    """Check that Inception can be built, once per process."""
    Inception(resize)
