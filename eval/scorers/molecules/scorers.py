"""Scores of sampled molecules, and the same scores of training molecules."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from data import Batch, Molecules
from eval.metrics.molecules import stability, total_variation, typed_wasserstein, validity
from eval.record import Record
from eval.scorers.drawn import drawn_samples
from eval.scorers.molecules.facts import Facts, measure
from eval.scorers.molecules.in_space import PROTOCOL, plausible_shares, strains
from eval.scorers.molecules.known import known_smiles
from eval.scorers.scorer import BatchedScorer, check_samples, check_split
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.run.parts import Parts

__all__ = ["MoleculeFloor", "MoleculeSamples", "MoleculeScorer"]


@dataclass
class MoleculeScorer(BatchedScorer):
    """Scores of a set of molecules, by bonds inferred from distances.

    `atom_stability` and `molecule_stability`; `validity`, `uniqueness` and `connected`; against
    molecules of the test split, `bond_length_w1` (Angstrom) and `bond_angle_w1` (degrees), mean
    Wasserstein-1 distances over types of bonds and of central atoms, `atom_type_tv` and
    `bond_type_tv`, total variations; `strain_median`, MMFF94 kcal/mol of stable molecules above a
    minimum close by, and `strain_w1`; `plausible`, the share that is valid and passes checks like
    those of PoseBusters, and of valid ones, `plausible_bond_lengths` and so on; of valid ones of
    one piece, `plausible_energy`.

    Attributes:
        samples: number of molecules, and the largest number of the test split's.
    """

    samples: int = 10_000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self.samples)

    def check(self, parts: Parts) -> None:
        if not isinstance(parts.data, Molecules):
            raise ConfigError(f"{parts.data.name} holds no molecules: choose another eval=")
        check_split(parts.data, "test", 1, "a comparison of molecules")

    @abstractmethod
    def score(self, parts: Parts, record: Record) -> None: ...

    def add(self, record: Record, data: Molecules, batch: Batch, ending: str, **how: Any) -> Facts:
        """Record the scores of a set of molecules, on the CPU, under names with an ending."""
        facts, test = measure(data, batch, f"molecules{ending}"), self._test(data, record)
        scores = {key: v.item() for key, v in stability(facts.stable, facts.numbers > 0).items()}
        scores |= validity(facts.smiles, facts.fragments)
        scores |= self._distances(facts, test[0])
        scores |= self._strain(strains(data, batch, facts), test[1])
        scores |= plausible_shares(data, batch, facts)
        protocol = {"n": len(batch["x"]), **self._protocol(data), **how}
        found = {f"{key}{ending}": torch.tensor(v) for key, v in scores.items() if v is not None}
        record.add(found, **protocol)
        return facts

    def _test(self, data: Molecules, record: Record) -> tuple[Facts, list[float]]:
        """Measurements and strains of the test split."""

        def make() -> tuple[Facts, list[float]]:
            batch = self.subset(data, "test", self.samples)
            facts = measure(data, batch, "test molecules")
            return facts, strains(data, batch, facts)

        return record.once(("test molecules", self.samples, self.seed), make)

    def _distances(self, facts: Facts, test: Facts) -> dict[str, float | None]:
        bonds = facts.bond_types and test.bond_types
        return {
            "bond_length_w1": typed_wasserstein(facts.bonds.lengths, test.bonds.lengths),
            "bond_angle_w1": typed_wasserstein(facts.bonds.angles, test.bonds.angles),
            "atom_type_tv": total_variation(facts.types, test.types),
            "bond_type_tv": total_variation(facts.bond_types, test.bond_types) if bonds else None,
        }

    def _strain(self, found: list[float], test: list[float]) -> dict[str, float | None]:
        from scipy.stats import wasserstein_distance

        return {
            "strain_median": float(np.median(found)) if found else None,
            "strain_w1": float(wasserstein_distance(found, test)) if found and test else None,
        }

    def _protocol(self, data: Molecules) -> dict[str, Any]:
        return {
            "bonds": "distance tables of Hoogeboom et al. (2022)",
            "validity": f"RDKit, {'all bonds single' if data.single_bonds else 'orders 1 to 3'}",
            "reference": "test",
            "n_reference": min(self.samples, len(data.test_dataset)),
            **PROTOCOL,
            "seed": self.seed,
        }


@dataclass
class MoleculeSamples(MoleculeScorer):
    """Scores samples of the prior; writes `samples.png`.

    Beside the scores of every set, `novelty`, the share of the different valid molecules that are
    not in the train split, and `valid_unique_novel`.
    """

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        if parts.prior is None:
            return
        data, config = parts.data, parts.config
        batch = drawn_samples(parts, record, self.samples, self.seed, self.batch_size)
        if distributed.rank() == 0:
            record.show("samples", data.show(batch))
        how = {
            "atoms": "numbers of atoms as in the train split",
            "sampler": OmegaConf.to_container(config.sampler),
            "network_calls": parts.prior.network_calls,
            "guidance": OmegaConf.to_container(config.guidance),
        }
        facts = self.add(record, data, batch, "", **how)
        known = known_smiles(data, self.batch_size)
        if known is not None:
            scores = validity(facts.smiles, facts.fragments, known)
            new = {key: torch.tensor(scores[key]) for key in ("novelty", "valid_unique_novel")}
            record.add(new, n=self.samples, known="train", **self._protocol(data), **how)


@dataclass
class MoleculeFloor(MoleculeScorer):
    """Scores molecules of the train split: `atom_stability_floor` and so on.

    They are what samples of a perfect model would have, the row "Data" of papers' tables.
    """

    def score(self, parts: Parts, record: Record) -> None:
        batch = self.subset(parts.data, "train", self.samples)
        self.add(record, parts.data, batch, "_floor", split="train")
