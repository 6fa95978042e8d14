"""Measures of sampled clips on published networks: distances, and an inception score."""

import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from eval.extractors import C3D, ClipExtractor
from eval.metrics import FrechetStatistics, InceptionScore, KernelDistance, to_uint8
from eval.scorers.videos.protocols import FRECHET, PROTOCOLS, Protocol
from ldm import distributed

__all__ = ["INCEPTION", "NAMES", "PARTS", "Measure", "measures", "network_of"]

INCEPTION = "c3d_ucf101"
"""Name of the inception score on C3D among protocols, `isv2048_ucf` of StyleGAN-V."""

NAMES = (*PROTOCOLS, INCEPTION)

PARTS = 10
"""Parts of the samples in an inception score, each scored alone."""


class Measure(nn.Module, ABC):
    """Scores of clips on one network, summed over ranks.

    Args:
        extractor: of the features.
    """

    def __init__(self, extractor: ClipExtractor) -> None:
        super().__init__()
        self.extractor = extractor

    @abstractmethod
    def update(self, x: Float[Tensor, "n c t h w"], *, real: bool) -> None:
        """Add clips in [-1, 1]; real ones were bytes, which are recovered whatever the rounding."""

    @abstractmethod
    def compute(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Compute scores, equal on every rank, and what they depend on."""


class Distances(Measure):
    """Fréchet and kernel distance of samples from real clips, by a protocol: `fvd` and `kvd`."""

    def __init__(self, extractor: ClipExtractor, how: Protocol) -> None:
        super().__init__(extractor)
        self.how = how
        self.real, self.fake = (FrechetStatistics(extractor.feature_size) for _ in range(2))
        self.kernel = KernelDistance(subsets=1, subset_size=sys.maxsize)  # of all clips

    def update(self, x: Float[Tensor, "n c t h w"], *, real: bool) -> None:
        x = x.to(distributed.device())
        features = self.extractor(to_uint8(x) if real else self.how.to_bytes(x)).pooled
        (self.real if real else self.fake).update(features)
        self.kernel.update(features, real=real)

    def compute(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        real, fake = self.real.compute(), self.fake.compute()
        form, n, size = self.how.frechet, min(real.n, fake.n), self.extractor.feature_size
        if n <= size:
            form += f"; covariances of {n} clips lack full rank in {size} dimensions"
            if distributed.rank() == 0:
                warnings.warn(
                    f"FVD of {n} clips tells little: papers take 2,048, and fewer than {size + 1} "
                    f"leave covariances without full rank",
                    stacklevel=2,
                )
        distance = FRECHET[self.how.frechet](*real[:2], *fake[:2])
        facts = {
            "n_reference": real.n,
            "pixels": f"bytes, rounded {self.how.rounding}",
            "frechet": form,
            **self.extractor.protocol,
        }
        return {"fvd": distance, "kvd": self.kernel.compute()["mean"]}, facts


class ClassScore(Measure):
    """Inception score of samples, without real clips: `is`, and its deviation over ten parts."""

    def __init__(self, extractor: ClipExtractor, seed: int = 0) -> None:
        super().__init__(extractor)
        self.score = InceptionScore(splits=PARTS, seed=seed)

    def update(self, x: Float[Tensor, "n c t h w"], *, real: bool) -> None:
        if not real:
            self.score.update(self.extractor(to_uint8(x.to(distributed.device()))).logits)

    def compute(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        found = self.score.compute()
        facts = {"pixels": "bytes, rounded to nearest", "parts": PARTS}
        return {"is": found["mean"], "is_std": found["std"]}, facts | self.extractor.protocol


def network_of(name: str) -> type[ClipExtractor]:
    """Network of a protocol."""
    return C3D if name == INCEPTION else PROTOCOLS[name].network


def measures(names: Sequence[str], seed: int = 0) -> dict[str, Measure]:
    """Build what each protocol measures.

    Protocols of one network share it, and those that differ in what papers take for real clips
    alone are one and the same object.

    Args:
        names: in `NAMES`.
        seed: of the order of samples in inception scores.

    Raises:
        BadCheckpoint: weights are unavailable, damaged or another network's.
    """
    networks = {kind: kind() for kind in dict.fromkeys(map(network_of, names))}
    made: dict[Protocol, Measure] = {}
    found: dict[str, Measure] = {}
    for name in names:
        network = networks[network_of(name)]
        if name == INCEPTION:
            found[name] = ClassScore(network, seed)
            continue
        how = PROTOCOLS[name]._replace(split="")
        if how not in made:
            made[how] = Distances(network.resized(how.resize), how)
        found[name] = made[how]
    return found
