"""Reference likelihoods: under the true density of the data, and under a kernel estimate."""

from dataclasses import dataclass

from eval.metrics import kernel_density_nll
from eval.record import Record
from eval.scorers.point_scorer import PointScorer, all_points
from ldm.config.compose import ConfigError
from ldm.run.parts import Parts

__all__ = ["References"]

SPLITS = ("train", "val", "test")


@dataclass
class References(PointScorer):
    """Negative log likelihood of the test split under reference densities.

    `nll_of_the_law` and `nll_per_dim_of_the_law` for data with a known true density; `nll_kernel`
    of a density estimate by von Mises-Fisher kernels on the train split.

    Attributes:
        kernel_share: weight of the uniform distribution in the kernel estimate; None for no kernel
            estimate.
        kernel_groups: spheres, or circles, that a point consists of, for the kernel estimate.

    Raises:
        ValueError: `kernel_share` is not in [0, 1), or `kernel_groups` is less than 1.
    """

    kernel_share: float | None = None
    kernel_groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel_groups < 1 or not 0 <= (self.kernel_share or 0) < 1:
            raise ValueError(
                f"kernel_groups must be 1 or more and kernel_share in [0, 1), got "
                f"{self.kernel_groups} and {self.kernel_share}"
            )

    def check(self, parts: Parts) -> None:
        super().check(parts)
        if self.kernel_share is None:
            return
        few = [parts.tokenizer.space.embed(all_points(parts.data, split)[:2]) for split in SPLITS]
        try:
            kernel_density_nll(*few, groups=self.kernel_groups, share=0, kappas=[1.0])
        except ValueError as error:
            raise ConfigError(
                f"no kernel estimate on {parts.tokenizer.space}: {error}; set eval.kernel_groups, "
                f"or eval.kernel_share=null"
            ) from error

    def score(self, parts: Parts, record: Record) -> None:
        data, space = parts.data, parts.tokenizer.space
        test = all_points(data, "test")
        log_density = data.log_density(test)
        if log_density is not None:
            nll = -log_density.mean()
            found = {"nll_of_the_law": nll, "nll_per_dim_of_the_law": nll / space.dim}
            record.add(found, split="test", n=len(test))
        if self.kernel_share is not None:
            splits = [space.embed(all_points(data, split)) for split in SPLITS]
            given = {"groups": self.kernel_groups, "share": self.kernel_share}
            found = kernel_density_nll(*splits, **given)
            record.add({"nll_kernel": found["nll"]}, split="test", kappa=found["kappa"], **given)
