"""Discrepancies between sampled graphs and data, with those of two references."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from omegaconf import OmegaConf

from data.graphs.base import Graphs
from data.graphs.dense import discrete
from eval.metrics.graphs import (
    KERNELS,
    GraphStatistics,
    erdos_renyi,
    graph_discrepancies,
    padded,
    statistics,
    stripped,
)
from eval.record import Record
from eval.scorers.scorer import BatchedScorer, check_split
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.run.parts import Parts
from ldm.run.sampling import draw_share, gather

__all__ = ["GraphDiscrepancies"]

Matrices = list[UInt8[np.ndarray, "_ _"]]


@dataclass
class GraphDiscrepancies(BatchedScorer):
    """Squared discrepancies of degrees, clustering, orbits and spectra; writes `samples.png`.

    Sets of as many graphs as the test split are compared with it: `mmd2_degree` and so on of
    samples, `_floor` of the train split, and `_erdos_renyi` of random graphs with the sizes and
    densities of the train split; each the mean over the sets. Isolated nodes are left out; scores
    that end in `_padded` are of all places, empty or not, as GDSS and GLAD compute them.

    Attributes:
        runs: number of sets of samples; with more than one, `mmd2_degree_std` is the standard
            deviation over them.
        kernel: "emd" as in GDSS and GLAD, "tv" as in GRAN, SPECTRE and DiGress.

    Raises:
        ValueError: `runs` is less than 1.
    """

    batch_size: int = 100
    runs: int = 1
    kernel: Literal["emd", "tv"] = "emd"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.runs < 1 or self.kernel not in KERNELS:
            raise ValueError(
                f"runs must be 1 or more and kernel emd or tv, got {self.runs} and {self.kernel}"
            )

    def check(self, parts: Parts) -> None:
        data = parts.data
        if not isinstance(data, Graphs):
            raise ConfigError(f"{data.name} holds no graphs: choose another eval=")
        n = len(data.test_dataset)
        check_split(data, "test", 2, "a discrepancy of graphs")
        check_split(data, "train", n, "the floor of the discrepancies")

    def score(self, parts: Parts, record: Record) -> None:
        if parts.prior is None:
            return
        data, n = parts.data, len(parts.data.test_dataset)
        drawn = self._draw(parts, record, n * self.runs)
        train, test = (self._split(data, split) for split in ("train", "test"))
        whole = len(train) // n * n
        sets = {
            "": drawn,
            "_floor": train[:whole],
            "_erdos_renyi": erdos_renyi(train, whole, self.seed),
        }
        protocol = self._protocol(parts, n)
        for treatment, ending in (("stripped", ""), ("padded", "_padded")):
            reference = self._statistics(test, treatment, data.places)
            for name, graphs in sets.items():
                found = [
                    graph_discrepancies(
                        self._statistics(graphs[start : start + n], treatment, data.places),
                        reference,
                        self.kernel,
                    )
                    for start in range(0, len(graphs), n)
                ]
                how = {"sets": len(found), "isolated_nodes": treatment, **protocol}
                for statistic in found[0]:
                    values = torch.tensor([one[statistic] for one in found])
                    key = f"mmd2_{statistic}{name}"
                    record.add({f"{key}{ending}": values.mean()}, **how)
                    if not name and self.runs > 1:
                        record.add({f"{key}_std{ending}": values.std(correction=0)}, **how)

    def _draw(self, parts: Parts, record: Record, n: int) -> Matrices:
        """Draw graphs, the same on every rank, and the picture of the first ones."""
        share = draw_share(parts, n, self.seed, self.batch_size)
        batch = gather((drawn.batch for drawn in share), n)
        if distributed.rank() == 0:
            first = {key: value[: parts.data.shown] for key, value in batch.items()}
            record.show("samples", parts.data.show(first))
        return [edges.numpy() for edges in discrete(batch).edges]

    def _split(self, data: Graphs, split: str) -> Matrices:
        batches = data.ordered_batches(split, self.batch_size)
        return [edges.numpy() for batch in batches for edges in discrete(batch).edges]

    def _statistics(
        self, graphs: Sequence[np.ndarray], treatment: str, places: int
    ) -> GraphStatistics:
        return statistics(stripped(graphs) if treatment == "stripped" else padded(graphs, places))

    def _protocol(self, parts: Parts, n: int) -> dict[str, Any]:
        return {
            "n": n,
            "reference": "test",
            "kernel": KERNELS[self.kernel],
            "estimate": "biased",
            "sampler": OmegaConf.to_container(parts.config.sampler),
            "network_calls": parts.prior.network_calls,
            "seed": self.seed,
        }
