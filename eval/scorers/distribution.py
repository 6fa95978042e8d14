"""Distances and scores of two sets of pictures on one extractor, in one pass."""

from torch import Tensor, nn

from eval.extractors import Extractor
from eval.metrics import (
    CMMD,
    PRDC,
    FrechetDistance,
    FrechetInfinity,
    InceptionScore,
    KernelDistance,
)

__all__ = ["DistributionScores"]

PUBLISHED_NAMES = {
    "inception": {"fd": "fid", "sfd": "sfid", "kd": "kid", "is": "inception_score"},
    "clip": {"mmd": "cmmd"},
}
"""Names of scores that are comparable with published ones, by extractor."""


class DistributionScores(nn.Module):
    """Fréchet and kernel distances, inception score, precision, recall, density and coverage.

    Where the extractor has spatial features, also their Fréchet distance, `sfd`, the sFID of Nash
    et al., "Generating images with sparse representations", 2021; where it has a bandwidth, the
    Gaussian discrepancy of its features, CLIP's CMMD.

    Scores on FID's Inception have their published names; scores on another extractor are not
    comparable and end in its name: `fd_classifier`.

    Args:
        extractor: feature extractor.
        seed: of subsets and shuffles.
        full: compute all scores, which needs all features in memory; False for the Fréchet distance
            alone.
        infinity: also extrapolate the Fréchet distance to infinitely many samples.
    """

    def __init__(
        self, extractor: Extractor, seed: int = 0, full: bool = True, infinity: bool = False
    ) -> None:
        super().__init__()
        self.extractor = extractor
        self.frechet = FrechetDistance(extractor.feature_size)
        size = extractor.spatial_size
        self.spatial = FrechetDistance(size) if size else None
        size, bandwidth = extractor.feature_size, extractor.bandwidth
        self.infinity = FrechetInfinity(size, seed) if infinity else None
        self.gaussian = None if bandwidth is None else CMMD(bandwidth)
        self.full = full
        self.kernel = KernelDistance(seed=seed)
        self.manifold = PRDC()
        self.inception = InceptionScore(seed=seed)

    @classmethod
    def fewest(cls, full: bool = True) -> tuple[int, int]:
        """Smallest numbers of pictures, of the reference and generated, that can be scored."""
        if not full:
            return 2, 2  # for a covariance
        manifold = PRDC()
        neighbours = 1 + max(manifold.precision_k, manifold.density_k)
        return neighbours, max(neighbours, InceptionScore().splits)

    def update(
        self, images: Tensor, *, real: bool, remembered: Tensor | None = None
    ) -> Tensor | None:
        """Add pictures `(b, c, h, w)`, bytes; returns the extractor's logits.

        Args:
            images: of one of the sets.
            real: True for the reference set, False for the generated one.
            remembered: mask `(b,)` of pictures whose features are kept for the scores that need all
                features; the Fréchet distance, from running sums, uses every picture.
        """
        features = self.extractor(images)
        self.frechet.update(features.pooled, real=real)
        if self.infinity is not None:
            self.infinity.update(features.pooled, real=real)
        if self.full:
            if self.spatial is not None:
                self.spatial.update(features.spatial, real=real)
            kept = features.pooled if remembered is None else features.pooled[remembered]
            self.kernel.update(kept, real=real)
            self.manifold.update(kept, real=real)
            if self.gaussian is not None:
                self.gaussian.update(kept, real=real)
            if not real and features.logits is not None:
                self.inception.update(features.logits)
        return features.logits

    def compute(self) -> dict[str, Tensor]:
        """Scores by name, equal on every rank."""
        scores = {"fd": self.frechet.compute()}
        if self.infinity is not None:
            scores["fd_infinity"] = self.infinity.compute()["mean"]
        if self.full:
            kernel = self.kernel.compute()
            if self.spatial is not None:
                scores["sfd"] = self.spatial.compute()
            scores |= {"kd": kernel["mean"], "kd_std": kernel["std"]}
            if self.extractor.classifies:
                inception = self.inception.compute()
                scores |= {"is": inception["mean"], "is_std": inception["std"]}
            if self.gaussian is not None:
                scores["mmd"] = self.gaussian.compute()
            scores |= self.manifold.compute()
        return {self.named(name): value for name, value in scores.items()}

    def named(self, name: str) -> str:
        """Name under which a score on this extractor is reported."""
        published = PUBLISHED_NAMES.get(self.extractor.name, {})
        base, _, rest = name.partition("_")
        if base not in published and self.extractor.name != "inception":
            return f"{name}_{self.extractor.name}"
        return f"{published.get(base, base)}_{rest}" if rest else published.get(base, base)
