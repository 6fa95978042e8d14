"""Which nodes and edges a tokenizer keeps."""

import pytest
from omegaconf import OmegaConf
from torch import nn

from data import Communities
from eval.record import Record
from eval.scorers.graph_reconstructions import GraphReconstructions
from ldm.bottlenecks import Passthrough
from ldm.run.parts import Parts
from ldm.spaces import Flat
from ldm.tokenizers import Tokenizer


class Same(nn.Module):
    def forward(self, x, mask):
        return x


class Spoils(nn.Module):
    """Changes the class of the first node of each graph, and cuts one edge of the first graph."""

    def forward(self, x, mask):
        x = x.clone()
        x[:, 0, :10] = x[:, 0, :10].roll(1, -1)
        if self.cuts:
            self.cuts = False
            j = int(x[0, 1, 10:].argmax())
            x[0, 1, 10 + j] = x[0, j, 11] = 0
        return x


@pytest.mark.parametrize("spoilt", [False, True])
def test_accuracies_are_shares_of_occupied_places(spoilt):
    data = Communities(graphs=15)
    decoder = Spoils() if spoilt else Same()
    decoder.cuts = True
    tokenizer = Tokenizer(Same(), Passthrough(Flat(data.shape)), decoder)
    parts = Parts(
        OmegaConf.create({"tokenizer": {"_target_": "x"}}), data, {"tokenizer": tokenizer}
    )
    record = Record()
    GraphReconstructions(batch_size=2).score(parts, record)
    sizes = data.test_dataset.sizes.double()
    pairs = (sizes * (sizes - 1) / 2).sum()
    expected = (1 - 3 / sizes.sum(), 1 - 1 / pairs, 0) if spoilt else (1, 1, 1)
    found = [record.values[f"{name}_accuracy"] for name in ("node", "edge", "graph")]
    assert found == pytest.approx([float(x) for x in expected])
