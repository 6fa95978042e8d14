"""Similarities of sampled molecules, or graphs of molecules, to those of the test split."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from omegaconf import OmegaConf

from data import Batch, Molecules
from data.chemistry.conversion import heavy, quiet
from data.chemistry.substructures import fingerprint, fragments, scaffold
from data.graphs.molecules import MoleculeGraphs
from eval.metrics.molecules import frequency_cosine, nearest_similarity
from eval.record import Record
from eval.scorers.drawn import drawn_samples
from eval.scorers.scorer import BatchedScorer, check_samples, check_split
from ldm.config.compose import ConfigError
from ldm.progress import tracked
from ldm.run.parts import Parts

__all__ = ["MoleculeSimilarities", "SetScorer"]


@dataclass
class SetScorer(BatchedScorer):
    """A scorer that compares samples, and the train split, with the test split, as molecules.

    Attributes:
        samples: number of samples, and the largest number of molecules that are compared.
    """

    batch_size: int = 100
    samples: int = 10_000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self.samples)

    def check(self, parts: Parts) -> None:
        if not isinstance(parts.data, Molecules | MoleculeGraphs):
            raise ConfigError(f"{parts.data.name} holds no molecules: choose another eval=")
        check_split(parts.data, "test", 2, "a comparison of molecules")

    def sets(self, parts: Parts, record: Record) -> dict[str, tuple[Batch, dict[str, Any]]]:
        """Sets of molecules by how their scores are named, each with how it was obtained.

        Samples, if there is a prior, those of graphs also with their valences corrected, and the
        train split.
        """
        found = {}
        if parts.prior is not None:
            how = {
                "n": self.samples,
                "sampler": OmegaConf.to_container(parts.config.sampler),
                "network_calls": parts.prior.network_calls,
            }
            drawn = drawn_samples(parts, record, self.samples, self.seed, self.batch_size)
            found["{}"] = drawn, how
            if isinstance(parts.data, MoleculeGraphs):
                found["corrected_{}"] = parts.data.correct(drawn), how
        train = self.subset(parts.data, "train", self.samples)
        found["{}_floor"] = train, {"n": len(train["x"]), "split": "train"}
        return found


class Substructures(NamedTuple):
    """Parts of the valid molecules of a set."""

    scaffolds: list[str]
    fragments: list[str]
    fingerprints: Bool[np.ndarray, "n bits"]


@dataclass
class MoleculeSimilarities(SetScorer):
    """Similarities to molecules of the test split, of MOSES: each 1 for the set itself.

    `scaffold_similarity` and `fragment_similarity`, cosines between how often Bemis-Murcko
    scaffolds of two rings or more, and BRICS fragments, occur; `nearest_similarity`, mean Tanimoto
    similarity of samples to the nearest test molecule. Those of the train split end in `_floor`,
    those of graphs with corrected valences begin with `corrected_`. Invalid molecules are left out.
    """

    def score(self, parts: Parts, record: Record) -> None:
        data = parts.data
        test = _substructures(data, self.subset(data, "test", self.samples), "substructures_test")
        for named, (batch, how) in self.sets(parts, record).items():
            found = _substructures(data, batch, named.format("substructures"))
            scores = {
                "scaffold_similarity": frequency_cosine(found.scaffolds, test.scaffolds),
                "fragment_similarity": frequency_cosine(found.fragments, test.fragments),
            }
            if len(found.fingerprints) and len(test.fingerprints):
                nearest = nearest_similarity(found.fingerprints, test.fingerprints)
                scores["nearest_similarity"] = nearest
            kept = {named.format(k): torch.tensor(x) for k, x in scores.items() if x is not None}
            valid = {"valid": len(found.fingerprints), "valid_reference": len(test.fingerprints)}
            record.add(kept, reference="test", seed=self.seed, **valid, **how)


def _substructures(data: Molecules | MoleculeGraphs, batch: Batch, name: str) -> Substructures:
    with quiet():
        valid = tracked(name, heavy(data.mols(batch)))
        made = [(scaffold(one), fragments(one), fingerprint(one)) for one in valid]
    return Substructures(
        [one for one, _, _ in made if one is not None],
        [piece for _, pieces, _ in made for piece in pieces],
        np.array([bits for _, _, bits in made], bool).reshape(len(made), -1),
    )
