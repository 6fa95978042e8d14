"""Base class of scorers that compare features of images, and their extractor."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from data import DataModule
from data.files.roots import cache_folder
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
        extractor: `inception` for FID and its kin; `classifier` for a small network trained on the
            spot on labelled data, which needs no download and whose numbers carry its name.
        resize: of Inception's input.
    """

    extractor: Literal["inception", "classifier"] = "classifier"
    resize: Literal["tf1", "antialias", "pytorch_fid", "clean"] = "tf1"

    def check(self, parts: Parts) -> None:
        """Make sure that images like these can be scored; fetch what is missing.

        Raises:
            ConfigError: weights are not to be had or damaged, or they are not for data like this.
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
            self.check_weights(data)
        except ValueError as error:
            raise ConfigError(f"eval cannot be done: {error}") from error

    def check_weights(self, data: DataModule) -> None:
        """Look for what a scorer needs beside the extractor.

        Raises:
            ValueError: it is not to be had, damaged, or not for such data.
        """

    def build_extractor(self, data: DataModule, record: Record) -> Extractor:
        """The network on this process's device, one for all scorers of a run.

        Raises:
            ValueError: what `check` finds.
        """
        key = ("extractor", self.extractor, self.resize)
        return record.once(key, lambda: self._first_rank_first(data).to(distributed.device()))

    def _first_rank_first(self, data: DataModule) -> Extractor:
        """Download or train on the first rank; the other ranks then read the cache."""
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
    """Build Inception once a process, whichever scorers ask for it."""
    Inception(resize)
