"""The Fréchet ChemNet distance of sampled molecules, or graphs of these, from the test split."""

from dataclasses import dataclass

from data import Batch, Molecules
from data.chemistry.conversion import heavy, quiet
from data.graphs.molecules import MoleculeGraphs
from eval.extractors.chemnet import ChemNet
from eval.metrics import FrechetStatistics, Moments, frechet_distance
from eval.record import Record
from eval.scorers.molecules.similarities import SetScorer
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.hub.weights import BadCheckpoint
from ldm.progress import tracked
from ldm.run.parts import Parts

__all__ = ["ChemNetDistance"]


@dataclass
class ChemNetDistance(SetScorer):
    """Fréchet ChemNet distance from the test split: `fcd`, and `fcd_floor` of the train split.

    Of graphs also `corrected_fcd`, with valences corrected, as papers report it.

    Valid molecules count, by their canonical SMILES without hydrogens. Source: Preuer et al., 2018.

    Attributes:
        chemnet: file of the network, see `ChemNet`; None for that in the cache of weights.
    """

    chemnet: str | None = None

    def check(self, parts: Parts) -> None:
        super().check(parts)
        try:
            ChemNet(self.chemnet)
        except BadCheckpoint as error:
            raise ConfigError(f"no Fréchet ChemNet distance: {error}") from error

    def score(self, parts: Parts, record: Record) -> None:
        data, network = parts.data, ChemNet(self.chemnet).to(distributed.device())
        reference = self.subset(data, "test", self.samples)
        test = self._moments(network, data, reference, "ChemNet_test")
        for named, (batch, how) in self.sets(parts, record).items():
            found = self._moments(network, data, batch, named.format("ChemNet"))
            if found is None or test is None:
                continue
            distance = frechet_distance(found.mu, found.sigma, test.mu, test.sigma)
            valid = {"valid": found.n, "valid_reference": test.n}
            how = {**how, **network.protocol, "reference": "test", "seed": self.seed}
            record.add({named.format("fcd"): distance}, **valid, **how)

    def _moments(
        self, network: ChemNet, data: Molecules | MoleculeGraphs, batch: Batch, name: str
    ) -> Moments | None:
        """Moments of the features of a set; None if fewer than two of its molecules are valid."""
        from rdkit.Chem import MolToSmiles

        with quiet():
            smiles = [MolToSmiles(one) for one in heavy(data.mols(batch))]
        if len(smiles) < 2:
            return None
        total = FrechetStatistics(network.feature_size).to(distributed.device())
        mine = smiles[distributed.rank() :: distributed.world()]
        cuts = range(0, len(mine), self.batch_size)
        for cut in tracked(name, cuts):
            total.update(network(mine[cut : cut + self.batch_size]))
        return total.compute()
