"""Scores of molecules sampled as graphs: validity, novelty, and neighbourhoods of atoms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from omegaconf import OmegaConf

from data import Batch
from data.chemistry.conversion import largest_fragment, quiet
from data.graphs.dense import discrete
from data.graphs.molecules import MoleculeGraphs
from eval.metrics.graphs import nspdk_discrepancy
from eval.metrics.molecules import validity
from eval.record import Record
from eval.scorers.drawn import drawn_samples
from eval.scorers.molecules.known import SMILES, cached_smiles
from eval.scorers.scorer import BatchedScorer, check_samples, check_split
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.progress import tracked
from ldm.run.parts import Parts

__all__ = ["MoleculeGraphScores"]

Labelled = list[tuple[Int64[np.ndarray, " _"], Int64[np.ndarray, "_ _"]]]


@dataclass
class MoleculeGraphScores(BatchedScorer):
    """Validity, uniqueness, novelty and NSPDK discrepancy of samples; writes `samples.png`.

    Each is computed of the graphs as they are, and as `corrected_...` of those that correction of
    valences makes valid, their largest pieces. `nspdk_mmd2` is the squared discrepancy from the
    test split by pairs of neighbourhoods of atoms, and `nspdk_mmd2_floor` that of the train split.

    Attributes:
        samples: number of samples, and the largest number of molecules that are compared.
    """

    batch_size: int = 500
    samples: int = 10_000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self.samples)

    def check(self, parts: Parts) -> None:
        if not isinstance(parts.data, MoleculeGraphs):
            raise ConfigError(
                f"{parts.data.name} holds no molecules as graphs: choose another eval="
            )
        check_split(parts.data, "test", 1, "a discrepancy of molecules")

    def score(self, parts: Parts, record: Record) -> None:
        if parts.prior is None:
            return
        data = parts.data
        batch = drawn_samples(parts, record, self.samples, self.seed, self.batch_size)
        if distributed.rank() == 0:
            record.show("samples", data.show({k: x[: data.shown] for k, x in batch.items()}))
        test, train = (
            _labelled(self.subset(data, split, self.samples)) for split in ("test", "train")
        )
        known, scores = self._known(data), {"nspdk_mmd2_floor": nspdk_discrepancy(train, test)}
        for prefix, graphs in {"": batch, "corrected_": data.correct(batch)}.items():
            found = validity(*_named(data, graphs), known)
            found["nspdk_mmd2"] = nspdk_discrepancy(_labelled(graphs), test)
            scores |= {prefix + key: value for key, value in found.items()}
        protocol = self._protocol(parts, len(test))
        record.add({key: torch.tensor(value) for key, value in scores.items()}, **protocol)

    def _known(self, data: MoleculeGraphs) -> set[str]:
        """SMILES of the training molecules, as those of samples are found."""
        batches = tracked(SMILES, data.ordered_batches("train", self.batch_size))
        return cached_smiles(data, lambda: (one for b in batches for one in _named(data, b)[0]))

    def _protocol(self, parts: Parts, reference: int) -> dict[str, Any]:
        return {
            "n": self.samples,
            "validity": "RDKit, charges granted to N of four bonds and O of three; corrected_: of "
            "the largest piece, after the highest bonds of atoms with too many are lowered",
            "reference": "test",
            "n_reference": reference,
            "kernel": "NSPDK, radius and distance up to 4, linear, exact codes",
            "sampler": OmegaConf.to_container(parts.config.sampler),
            "network_calls": parts.prior.network_calls,
            "seed": self.seed,
        }


def _named(data: MoleculeGraphs, batch: Batch) -> tuple[Sequence[str | None], Sequence[int]]:
    """SMILES of the largest fragment and number of fragments; None and 0 of invalid molecules."""
    with quiet():
        found = [one and largest_fragment(one) for one in data.mols(batch)]
    smiles, fragments = zip(*(one or (None, 0) for one in found), strict=True)
    return smiles, fragments


def _labelled(batch: Batch) -> Labelled:
    graphs = discrete(batch)
    pairs = zip(graphs.nodes, graphs.edges, strict=True)
    return [(nodes.numpy(), edges.long().numpy()) for nodes, edges in pairs]
