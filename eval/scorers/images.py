"""How runs on images are scored: reconstructions and samples through one feature extractor."""

from dataclasses import dataclass
from typing import Literal

import torch

from data import DataModule
from data.files.roots import cache_folder
from data.images.base import Images
from eval.extractors import Classifier, Extractor, Inception
from eval.record import Scores
from eval.scorers.reconstructions import score_reconstructions
from eval.scorers.samples import score_floor, score_samples
from eval.scorers.scorer import Evaluation
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.losses import LPIPS
from ldm.run.parts import Parts
from ldm.tokenizers import Tokenizer

__all__ = ["ImageEvaluation"]


@dataclass
class ImageEvaluation(Evaluation):
    """Scores a tokenizer's reconstructions, and a prior's samples where there is one.

    Attributes:
        extractor: `inception` for FID and its kin; `classifier` for a small network trained on the
            spot on labelled data, which needs no download and whose numbers carry its name.
        samples: how many are drawn from the prior.
        batch_size: of encoding, drawing and extraction.
        reference: split that samples are compared with.
        resize: of Inception's input.
        floor: also compare the training with the test split, which encodes all of both.
        lpips: also score reconstructions by LPIPS, whose weights are then needed.
        seed: of the samples and of KID's subsets.
    """

    extractor: Literal["inception", "classifier"] = "classifier"
    samples: int = 1000
    batch_size: int = 250
    reference: Literal["train", "test"] = "test"
    resize: Literal["tf1", "antialias", "pytorch_fid", "clean"] = "tf1"
    floor: bool = True
    lpips: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 2:
            raise ValueError(f"samples must be 2 or more, got {self.samples}")

    def check(self, data: DataModule, tokenizer: Tokenizer) -> None:
        """Make sure that images like these can be scored; fetches what is missing.

        Raises:
            ConfigError: weights are not to be had or damaged, or they are not for data like this.
        """
        if not isinstance(data, Images):
            raise ConfigError(f"{data.name} holds no images: choose eval=points")
        if self.extractor == "classifier" and not data.classes:
            raise ConfigError(
                f"{data.name} has no labels to train a classifier on: choose eval=inception"
            )
        try:
            if self.extractor == "inception":
                Inception(self.resize)
            if self.lpips:
                x = torch.zeros(1, *data.shape)
                LPIPS("alex")(x, x)
        except ValueError as error:
            raise ConfigError(f"eval cannot be done: {error}") from error

    def score(self, parts: Parts, scores: Scores) -> None:
        extractor = self._first_rank_first(parts.data).to(distributed.device())
        score_reconstructions(parts, self, extractor, scores, self.lpips)
        if parts.prior is not None:
            score_samples(parts, self, extractor, scores, self.reference)
            if self.floor:
                score_floor(parts, self, extractor, scores)

    def build_extractor(self, data: DataModule) -> Extractor:
        """The network, its weights found, fetched or trained.

        Raises:
            ValueError: what `check` finds.
        """
        if self.extractor == "inception":
            return Inception(self.resize)
        return Classifier.trained(data, cache_folder() / "classifiers")

    def _first_rank_first(self, data: DataModule) -> Extractor:
        """What the first rank downloads or trains, the others find in the cache."""
        if distributed.rank() == 0:
            made = self.build_extractor(data)
            distributed.barrier()
            return made
        distributed.barrier()
        return self.build_extractor(data)
