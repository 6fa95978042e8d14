"""Scores of a tokenizer of molecules: which types of atoms it keeps, and how far it moves them."""

from dataclasses import dataclass

import torch
from torchmetrics import MeanMetric

from eval.record import Record
from eval.scorers.molecules.scorers import MoleculeScorer
from eval.scorers.scorer import to_device
from ldm import distributed
from ldm.progress import tracked
from ldm.run.parts import Parts
from ldm.tokenizers import Identity

__all__ = ["MoleculeReconstructions"]


@dataclass
class MoleculeReconstructions(MoleculeScorer):
    """Reconstructs molecules of the test split from the posterior's mode.

    `reconstructed_types`, the share of atoms that keep their type, `reconstructed_molecules`, of
    molecules that keep all; `reconstruction_rmsd`, Angstrom, the root of the mean squared distance
    over all atoms. Molecules that are their own latents have no such scores.
    """

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        data, tokenizer, device = parts.data, parts.tokenizer, distributed.device()
        if isinstance(tokenizer, Identity):
            return
        types, whole, squares = (MeanMetric().to(device) for _ in range(3))
        batch = self.subset(data, "test", self.samples)
        mine = torch.arange(len(batch["x"]))[distributed.rank() :: distributed.world()]
        for rows in tracked("reconstructions", mine.split(self.batch_size)):
            part = to_device({key: value[rows] for key, value in batch.items()})
            made = {**part, **tokenizer.reconstruct(part)[0]}
            (numbers, positions), (others, moved) = data.atoms(part), data.atoms(made)
            same, mask = numbers == others, part["mask"]
            types.update(same[mask].float())
            whole.update(same.all(1).float())
            squares.update((moved.float() - positions).square().sum(-1)[mask])
        scores = {
            "reconstructed_types": types.compute(),
            "reconstructed_molecules": whole.compute(),
            "reconstruction_rmsd": squares.compute().sqrt(),
        }
        record.add(scores, split="test", n=len(batch["x"]), posterior="mode", seed=self.seed)
